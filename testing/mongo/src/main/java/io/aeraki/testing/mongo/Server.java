package io.aeraki.testing.mongo;

import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import java.net.InetSocketAddress;
import java.util.List;

/**
 * A server of MongoDB's wire protocol, in memory, that says which version it is: MAJOR MINOR WIRE, such as 3 4 5. Clients speak
 * to it accordingly: OP_QUERY below wire version 6, OP_MSG from then on. Prints its port, and ends with its stdin.
 */
public final class Server {
  private record Version(List<Integer> getVersionArray, int getWireVersion) implements MongoVersion {}

  public static void main(String[] args) throws Exception {
    List<Integer> version = List.of(Integer.valueOf(args[0]), Integer.valueOf(args[1]), 0, 0);
    MongoServer server = new MongoServer(new MemoryBackend().version(new Version(version, Integer.parseInt(args[2]))));
    InetSocketAddress address = server.bind();
    System.out.println("{\"port\": " + address.getPort() + "}");
    while (System.in.read() != -1) {
      // Nothing is said here.
    }
    server.shutdownNow();
    System.exit(0);
  }
}
