// The service of the Thrift interop suites. Code is generated from it when they run: testing/src/thrift.

enum Mood {
  CALM = 1
  MERRY = 2
}

struct Item {
  1: required string name
  2: i64 weight
  3: optional list<Item> parts
  4: map<string, double> measures
  5: set<i32> tags
  6: bool fragile
  7: binary payload
  8: Mood mood
}

exception Refused {
  1: string reason
  2: Item item
}

service Greeter {
  /** Answers "<server's name> greets <name>". */
  string sayHello(1: string name)
  /** Answers its argument; refuses items without a name. */
  Item echo(1: Item item) throws (1: Refused refused)
  /** The info header of this name as the server received it, or "". */
  string header(1: string name)
  void touch()
  oneway void tell(1: string text)
  /** What was told to this server. */
  list<string> told()
  /** Fails with an exception that the IDL does not know. */
  string fail(1: string message)
}

service Counter {
  i32 add(1: i32 a, 2: i32 b)
}
