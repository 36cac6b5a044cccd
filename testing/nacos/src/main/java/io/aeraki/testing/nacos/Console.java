package io.aeraki.testing.nacos;

import com.alibaba.nacos.config.server.service.repository.CommonPersistService;
import com.alibaba.nacos.core.code.ControllerMethodsCache;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import javax.annotation.PostConstruct;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;

/** Stands in for the part of Nacos' console module that is more than a user interface; it is not published. */
@RestController
public class Console {
    private static final String BUILT_IN = "public";

    private final CommonPersistService tenants;
    private final ControllerMethodsCache methods;

    public Console(CommonPersistService tenants, ControllerMethodsCache methods) {
        this.tenants = tenants;
        this.methods = methods;
    }

    /** Without it the server neither answers the v1 interface nor checks permissions. */
    @PostConstruct
    void registerMethods() {
        methods.initClassMethod("com.alibaba.nacos.core.controller");
        methods.initClassMethod("com.alibaba.nacos.naming.controllers");
        methods.initClassMethod("com.alibaba.nacos.config.server.controller");
    }

    @GetMapping({"/v1/console/namespaces", "/v2/console/namespace/list"})
    Map<String, Object> namespaces() {
        List<Map<String, Object>> all = new ArrayList<>();
        all.add(Map.of("namespace", "", "namespaceShowName", BUILT_IN, "quota", 200, "configCount", 0, "type", 0));
        tenants.findTenantByKp("1").forEach(tenant -> all.add(Map.of("namespace", tenant.getTenantId(),
                "namespaceShowName", tenant.getTenantName(), "quota", 200, "configCount", 0, "type", 2)));
        return Map.of("code", 200, "data", all);
    }

    @PostMapping("/v1/console/namespaces")
    boolean create(@RequestParam String customNamespaceId, @RequestParam String namespaceName) {
        tenants.insertTenantInfoAtomic("1", customNamespaceId, namespaceName, "", "nacos", System.currentTimeMillis());
        return true;
    }
}
