import java.util.concurrent.CountDownLatch;
import org.apache.activemq.broker.BrokerService;

/** ActiveMQ Classic on 127.0.0.1. Arguments: a folder for its data, a port. Says READY when it answers. */
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
        broker.start();
        broker.waitUntilStarted();
        System.out.println("READY");
        new CountDownLatch(1).await();
    }
}
