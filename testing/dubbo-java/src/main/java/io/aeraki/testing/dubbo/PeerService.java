package io.aeraki.testing.dubbo;

import java.util.Map;

/** What the interop suites call: everything that a proxy between the two ends could damage. */
public interface PeerService {
  /** What the provider saw: its name, the attachments, and the argument's text. */
  Map<String, Object> describe(Person person);

  /** Throws an IllegalStateException with this message. */
  String fail(String message);

  /** Called one-way. Counted by `told`. */
  void tell(String text);

  int told();

  /** Answers after so many milliseconds. */
  String sleep(int millis);

  /** Takes the primitive types, arrays and collections. */
  String mixed(boolean a, byte b, short c, char d, int e, long f, float g, double h, int[] i, String[][] j, Map<String, Object> k);
}
