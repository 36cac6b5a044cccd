package io.aeraki.testing.dubbo;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.apache.dubbo.config.ApplicationConfig;
import org.apache.dubbo.config.RegistryConfig;

/** Command-line options `--name value`, and what both ends configure alike. */
final class Options {
  /** Registries of which Dubbo has no extension on Maven Central that keeps metadata there. */
  private static final Set<String> WITHOUT_METADATA = Set.of("etcd", "etcd3", "consul");

  private final String[] arguments;

  Options(String[] arguments) {
    this.arguments = arguments;
  }

  String get(String name, String fallback) {
    for (int index = 0; index + 1 < arguments.length; index += 2) {
      if (arguments[index].equals("--" + name)) return arguments[index + 1];
    }
    return fallback;
  }

  static ApplicationConfig application(String name) {
    ApplicationConfig application = new ApplicationConfig(name);
    application.setQosEnable(false);
    application.setSerializeCheckStatus("DISABLE");
    return application;
  }

  static RegistryConfig noRegistry() {
    return new RegistryConfig("N/A");
  }

  /** Of --registry, such as zookeeper://127.0.0.1:2181; none without it. */
  RegistryConfig registry() {
    if (get("registry", "").isEmpty()) return noRegistry();
    RegistryConfig registry = new RegistryConfig(get("registry", ""));
    registry.setRegisterMode(get("register-mode", "all"));
    registry.setUseAsMetadataCenter(!WITHOUT_METADATA.contains(registry.getProtocol()));
    registry.setUseAsConfigCenter(false);
    registry.setTimeout(30_000);
    return registry;
  }

  /** Of --parameters, a=b,c=d. */
  Map<String, String> parameters() {
    Map<String, String> parameters = new LinkedHashMap<>();
    for (String pair : get("parameters", "").split(",")) {
      int equals = pair.indexOf('=');
      if (equals > 0) parameters.put(pair.substring(0, equals), pair.substring(equals + 1));
    }
    return parameters;
  }
}
