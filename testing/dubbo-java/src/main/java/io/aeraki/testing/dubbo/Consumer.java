package io.aeraki.testing.dubbo;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Supplier;
import org.apache.dubbo.config.ApplicationConfig;
import org.apache.dubbo.config.MethodConfig;
import org.apache.dubbo.config.ReferenceConfig;
import org.apache.dubbo.rpc.RpcContext;
import org.apache.dubbo.rpc.RpcException;
import org.apache.dubbo.samples.basic.api.DemoService;

/**
 * A Dubbo consumer without a registry. Options: --address HOST:PORT, --group, --version, --serialization,
 * --connections, --heartbeat (milliseconds of idleness). Prints {"ready":true} and then does what its stdin says, a command a line, fields separated by tabs:
 *
 * <pre>METHOD COUNT THREADS [KEY=VALUE ...]</pre>
 *
 * calls METHOD (sayHello, describe, fail, tell, told, sleep, mixed) COUNT times from THREADS threads with these
 * attachments, prints a JSON line for each call (value or error, attachments of the response) and {"done":COUNT}.
 */
public final class Consumer {
  private final DemoService demo;
  private final PeerService peer;

  private Consumer(Options options) {
    ApplicationConfig application = Options.application("aeraki-testing-consumer");
    demo = refer(DemoService.class, application, options);
    peer = refer(PeerService.class, application, options);
  }

  public static void main(String[] arguments) throws Exception {
    Consumer consumer = new Consumer(new Options(arguments));
    System.out.println("{\"ready\":true}");
    BufferedReader commands = new BufferedReader(new InputStreamReader(System.in));
    for (String line = commands.readLine(); line != null; line = commands.readLine()) consumer.run(line.split("\t"));
    System.exit(0);
  }

  private static <T> T refer(Class<T> type, ApplicationConfig application, Options options) {
    ReferenceConfig<T> config = new ReferenceConfig<>();
    config.setApplication(application);
    config.setRegistry(Options.noRegistry());
    config.setInterface(type);
    config.setUrl("dubbo://" + options.get("address", "") + "?serialization=" + options.get("serialization", "hessian2")
        + "&prefer.serialization=" + options.get("serialization", "hessian2")
        + "&heartbeat=" + options.get("heartbeat", "60000"));
    config.setRetries(0);
    config.setCheck(false);
    config.setTimeout(Integer.parseInt(options.get("timeout", "20000")));
    config.setConnections(Integer.parseInt(options.get("connections", "1")));
    if (!options.get("group", "").isEmpty()) config.setGroup(options.get("group", ""));
    if (!options.get("version", "").isEmpty()) config.setVersion(options.get("version", ""));
    if (type == PeerService.class) {
      MethodConfig oneway = new MethodConfig();
      oneway.setName("tell");
      oneway.setReturn(false);
      config.setMethods(List.of(oneway));
    }
    return config.get();
  }

  private void run(String[] command) throws Exception {
    Supplier<Object> call = callOf(command[0]);
    int count = Integer.parseInt(command[1]);
    ExecutorService threads = Executors.newFixedThreadPool(Integer.parseInt(command[2]));
    List<Future<?>> calls = new ArrayList<>();
    for (int index = 0; index < count; index++) calls.add(threads.submit(() -> once(call, command)));
    for (Future<?> done : calls) done.get();
    threads.shutdown();
    System.out.println(Json.of(Map.of("done", count)));
  }

  private Supplier<Object> callOf(String method) {
    return switch (method) {
      case "sayHello" -> () -> demo.sayHello("world");
      case "describe" -> () -> peer.describe(Person.example());
      case "fail" -> () -> peer.fail("no way");
      case "tell" -> () -> {
        peer.tell("something");
        return null;
      };
      case "told" -> peer::told;
      case "sleep" -> () -> peer.sleep(500);
      case "mixed" -> () -> peer.mixed(true, (byte) 1, (short) 2, 'c', 3, 4L, 5f, 6.5, new int[] {7, 8}, new String[][] {{"a"}, {"b"}}, Map.of("k", List.of(1)));
      default -> throw new IllegalArgumentException(method);
    };
  }

  private static void once(Supplier<Object> call, String[] command) {
    for (int index = 3; index < command.length; index++) {
      String[] pair = command[index].split("=", 2);
      RpcContext.getClientAttachment().setAttachment(pair[0], pair[1]);
    }
    Map<String, Object> line = new LinkedHashMap<>();
    try {
      line.put("value", call.get());
      line.put("attachments", RpcContext.getServerContext().getObjectAttachments());
    } catch (RuntimeException e) {
      line.put("error", e.getMessage());
      line.put("type", e.getClass().getName());
      if (e instanceof RpcException rpc) line.put("code", rpc.getCode());
    } finally {
      RpcContext.getClientAttachment().clearAttachments();
      RpcContext.removeServerContext();
    }
    System.out.println(Json.of(line));
  }
}
