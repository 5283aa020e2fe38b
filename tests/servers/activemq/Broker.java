import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.apache.activemq.broker.BrokerPlugin;
import org.apache.activemq.broker.BrokerService;
import org.apache.activemq.security.AuthenticationUser;
import org.apache.activemq.security.SimpleAuthenticationPlugin;

/** ActiveMQ Classic on 127.0.0.1. Arguments: a folder for its data, a port; and a key store, for TLS and for a user who must log in. Says READY when it answers. */
public class Broker {
    public static void main(String[] args) throws Exception {
        BrokerService broker = new BrokerService();
        int port = Integer.parseInt(args[1]);

        broker.setDataDirectory(args[0]);
        broker.setPersistent(true);
        broker.setUseJmx(false);
        broker.addConnector("amqp://127.0.0.1:" + port);
        broker.addConnector("stomp://127.0.0.1:" + (port + 1));
        broker.addConnector("mqtt://127.0.0.1:" + (port + 2));
        if (args.length > 2) {
            broker.setPlugins(new BrokerPlugin[] {new SimpleAuthenticationPlugin(List.of(new AuthenticationUser("lake", "pass/word+1", "all")))});
            broker.addConnector("stomp+ssl://127.0.0.1:" + (port + 3));
            broker.addConnector("amqp+ssl://127.0.0.1:" + (port + 4));
        }
        broker.start();
        broker.waitUntilStarted();
        System.out.println("READY");
        new CountDownLatch(1).await();
    }
}
