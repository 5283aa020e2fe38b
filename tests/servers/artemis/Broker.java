import java.util.Set;
import java.util.concurrent.CountDownLatch;
import org.apache.activemq.artemis.api.core.RoutingType;
import org.apache.activemq.artemis.core.config.Configuration;
import org.apache.activemq.artemis.core.config.impl.ConfigurationImpl;
import org.apache.activemq.artemis.core.config.impl.SecurityConfiguration;
import org.apache.activemq.artemis.core.security.Role;
import org.apache.activemq.artemis.core.server.JournalType;
import org.apache.activemq.artemis.core.server.embedded.EmbeddedActiveMQ;
import org.apache.activemq.artemis.core.settings.impl.AddressSettings;
import org.apache.activemq.artemis.spi.core.security.ActiveMQJAASSecurityManager;
import org.apache.activemq.artemis.spi.core.security.jaas.InVMLoginModule;

/** Artemis on 127.0.0.1. Arguments: a folder for its data, a port; and a key store, for TLS and for a user who must log in. Says READY when it answers. */
public class Broker {
    static AddressSettings addresses(RoutingType type) {
        return new AddressSettings().setAutoDeleteQueues(false).setAutoDeleteAddresses(false).setMaxDeliveryAttempts(-1)
            .setDefaultAddressRoutingType(type).setDefaultQueueRoutingType(type);
    }

    public static void main(String[] args) throws Exception {
        String folder = args[0], port = args[1];
        Configuration c = new ConfigurationImpl();
        EmbeddedActiveMQ server = new EmbeddedActiveMQ();

        c.setSecurityEnabled(false).setPersistenceEnabled(true).setJournalDirectory(folder + "/journal")
            .setBindingsDirectory(folder + "/bindings").setLargeMessagesDirectory(folder + "/large")
            .setPagingDirectory(folder + "/paging").setJournalType(JournalType.NIO).setMaxDiskUsage(-1);
        c.addAcceptorConfiguration("all", "tcp://127.0.0.1:" + port + "?protocols=AMQP,STOMP");
        c.addAcceptorConfiguration("mqtt", "tcp://127.0.0.1:" + (Integer.parseInt(port) + 1) + "?protocols=MQTT");
        c.addAddressSetting("#", addresses(RoutingType.ANYCAST));
        c.addAddressSetting("t.#", addresses(RoutingType.MULTICAST));
        if (args.length > 2) {
            SecurityConfiguration users = new SecurityConfiguration();

            users.addUser("lake", "pass/word+1");
            users.addRole("lake", "all");
            c.setSecurityEnabled(true).putSecurityRoles("#", Set.of(new Role("all", true, true, true, true, true, true, true, true, true, true)));
            server.setSecurityManager(new ActiveMQJAASSecurityManager(InVMLoginModule.class.getName(), users));
            c.addAcceptorConfiguration("tls", "tcp://127.0.0.1:" + (Integer.parseInt(port) + 2) + "?protocols=AMQP,STOMP;sslEnabled=true;"
                + "keyStoreType=PKCS12;keyStorePassword=changeit;keyStorePath=" + args[2]);
        }
        server.setConfiguration(c);
        server.start();
        System.out.println("READY");
        new CountDownLatch(1).await();
    }
}
