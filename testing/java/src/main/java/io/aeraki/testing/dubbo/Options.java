package io.aeraki.testing.dubbo;

import org.apache.dubbo.config.ApplicationConfig;
import org.apache.dubbo.config.RegistryConfig;

/** Command-line options `--name value`, and what both ends configure alike. */
final class Options {
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
}
