package io.aeraki.testing.dubbo;

import java.io.Serializable;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Date;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** An object graph with every kind of Hessian2 value, references and cycles included. */
public class Person implements Serializable {
  private static final long serialVersionUID = 1;

  public enum Colour { RED, GREEN }

  public String name;
  public int age;
  public long id;
  public double height;
  public boolean happy;
  public Date born;
  public Date bornMinute;
  public byte[] photo;
  public byte[] largePhoto;
  public Colour colour;
  public BigDecimal money;
  public Person self;
  public List<Person> friends = new ArrayList<>();
  public Map<String, Object> notes = new HashMap<>();
  public Object[] things;
  public String text;

  public static Person example() {
    Person person = new Person();
    person.name = "Grün 😀 漢字";
    person.age = 262_144;
    person.id = 1L << 40;
    person.height = 1.85;
    person.happy = true;
    person.born = new Date(1_234_567_890_123L);
    person.bornMinute = new Date(60_000L * 12_345);
    person.photo = new byte[] {1, 2, 3};
    person.largePhoto = new byte[9000];
    person.colour = Colour.GREEN;
    person.money = new BigDecimal("12345678901234567890.5");
    person.self = person;
    for (int index = 0; index < 20; index++) {
      Person friend = new Person();
      friend.name = "friend " + index;
      friend.age = index * 1000 - 3000;
      friend.id = index * 100_000L - 500_000;
      friend.height = index;
      friend.colour = Colour.RED;
      friend.friends.add(person);
      person.friends.add(friend);
    }
    person.notes.put("list", new ArrayList<>(List.of(1, 2L, 3.5, "four")));
    person.notes.put("tree", new TreeMap<>(Map.of("b", 1, "a", 2)));
    person.notes.put("linked", new LinkedHashMap<>(Map.of("x", "y")));
    person.notes.put("again", person.friends);
    person.things = new Object[] {null, true, 0.0, 1.0, -1.0, 300.0, 0.001, Integer.MIN_VALUE, Long.MAX_VALUE, "x".repeat(1000)};
    person.text = "ä😀".repeat(11_000);
    return person;
  }

  @Override
  public String toString() {
    return name + " " + age + " " + id + " " + height + " " + happy + " " + born.getTime() + " " + bornMinute.getTime() + " "
        + photo.length + " " + largePhoto.length + " " + colour + " " + money + " " + (self == this) + " " + friends.size() + " "
        + (friends.get(3).friends.get(0) == this) + " " + (notes.get("again") == friends) + " " + things.length + " " + text.hashCode();
  }
}
