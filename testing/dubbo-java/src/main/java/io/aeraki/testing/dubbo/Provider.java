package io.aeraki.testing.dubbo;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.dubbo.config.ApplicationConfig;
import org.apache.dubbo.config.ProtocolConfig;
import org.apache.dubbo.config.RegistryConfig;
import org.apache.dubbo.config.ServiceConfig;
import org.apache.dubbo.config.bootstrap.DubboBootstrap;
import org.apache.dubbo.rpc.RpcContext;
import org.apache.dubbo.samples.basic.api.DemoService;

/**
 * A Dubbo provider. Options: --port, --name (what it answers with), --group, --version. Prints {"ready":PORT} and serves
 * until its stdin ends.
 *
 * <p>With --registry URL it registers itself, in --register-mode interface, instance or all, as --application, with
 * --metadata-type local or remote and --parameters a=b,c=d; it then listens on an address of this machine that others
 * can call. Without, on 127.0.0.1.
 */
public final class Provider {
  public static void main(String[] arguments) throws Exception {
    Options options = new Options(arguments);
    String name = options.get("name", "java");
    boolean registers = !options.get("registry", "").isEmpty();
    ApplicationConfig application = Options.application(options.get("application", "aeraki-testing-provider"));
    RegistryConfig registry = options.registry();
    if (registers) application.setMetadataType(registry.getUseAsMetadataCenter() ? options.get("metadata-type", "remote") : "local");
    if (!options.parameters().isEmpty()) application.setParameters(options.parameters());
    ProtocolConfig protocol = new ProtocolConfig("dubbo", Integer.parseInt(options.get("port", "20880")));
    if (!registers) protocol.setHost("127.0.0.1");
    protocol.setPreferSerialization("hessian2,fastjson2");
    if (registers) {
      DubboBootstrap bootstrap = DubboBootstrap.getInstance().application(application).protocol(protocol).registry(registry);
      bootstrap.service(service(DemoService.class, new Demo(name), options)).service(service(PeerService.class, new Peer(name), options));
      bootstrap.start();
    } else {
      export(DemoService.class, new Demo(name), application, protocol, options);
      export(PeerService.class, new Peer(name), application, protocol, options);
    }
    System.out.println(Json.of(Map.of("ready", protocol.getPort())));
    while (System.in.read() >= 0) continue;
    System.exit(0);
  }

  private static <T> void export(Class<T> type, T service, ApplicationConfig application, ProtocolConfig protocol, Options options) {
    ServiceConfig<T> config = service(type, service, options);
    config.setApplication(application);
    config.setRegistry(Options.noRegistry());
    config.setProtocol(protocol);
    config.export();
  }

  private static <T> ServiceConfig<T> service(Class<T> type, T service, Options options) {
    ServiceConfig<T> config = new ServiceConfig<>();
    config.setInterface(type);
    config.setRef(service);
    if (!options.get("group", "").isEmpty()) config.setGroup(options.get("group", ""));
    if (!options.get("version", "").isEmpty()) config.setVersion(options.get("version", ""));
    return config;
  }

  /** Answers with its name, so that a consumer can tell providers apart. */
  private record Demo(String provider) implements DemoService {
    @Override
    public String sayHello(String name) {
      RpcContext.getServerContext().setAttachment("provider", provider);
      return "Hello " + name + ", response from " + provider;
    }
  }

  private static final class Peer implements PeerService {
    private final String provider;
    private final AtomicInteger told = new AtomicInteger();

    Peer(String provider) {
      this.provider = provider;
    }

    @Override
    public Map<String, Object> describe(Person person) {
      Map<String, Object> seen = new LinkedHashMap<>();
      seen.put("provider", provider);
      seen.put("attachments", new TreeMap<>(RpcContext.getServerAttachment().getObjectAttachments()));
      seen.put("person", String.valueOf(person));
      return seen;
    }

    @Override
    public String fail(String message) {
      throw new IllegalStateException(message);
    }

    @Override
    public void tell(String text) {
      told.incrementAndGet();
    }

    @Override
    public int told() {
      return told.get();
    }

    @Override
    public String sleep(int millis) {
      try {
        Thread.sleep(millis);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
      return "slept " + millis;
    }

    @Override
    public String mixed(boolean a, byte b, short c, char d, int e, long f, float g, double h, int[] i, String[][] j, Map<String, Object> k) {
      return String.join(" ", "" + a, "" + b, "" + c, "" + d, "" + e, "" + f, "" + g, "" + h, "" + i.length, j[1][0], "" + new TreeMap<>(k));
    }
  }
}
