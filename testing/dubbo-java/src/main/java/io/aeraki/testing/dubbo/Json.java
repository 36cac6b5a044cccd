package io.aeraki.testing.dubbo;

import java.util.Map;

/** Just enough JSON to print a line. */
final class Json {
  static String of(Object value) {
    if (value == null) return "null";
    if (value instanceof Number || value instanceof Boolean) return value.toString();
    if (value instanceof Map<?, ?> map) {
      StringBuilder out = new StringBuilder("{");
      map.forEach((key, item) -> {
        if (out.length() > 1) out.append(',');
        out.append(of(String.valueOf(key))).append(':').append(of(item));
      });
      return out.append('}').toString();
    }
    StringBuilder out = new StringBuilder("\"");
    for (char c : value.toString().toCharArray()) {
      if (c == '"' || c == '\\') out.append('\\').append(c);
      else if (c < 0x20 || c > 0x7e) out.append(String.format("\\u%04x", (int) c));
      else out.append(c);
    }
    return out.append('"').toString();
  }

  private Json() {}
}
