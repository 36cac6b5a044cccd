package org.apache.dubbo.samples.basic.api;

/** The service of the demos; the name is that of Dubbo's own samples. */
public interface DemoService {
  String sayHello(String name);
}
