// Carries bytes between its standard streams and a server, by Java's SSLSocket:
// java Pipe.java PORT CERTIFICATE KEY SUITE [resume] [half]. Says on standard error which suite it is, whether the
// session was resumed, and how it ended. With `resume` a first connection only hears the greeting, and its session is
// resumed; with `half` the end of the input closes one half of the connection, and the other is heard to its end.

import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;

public class Pipe {
    static final int HANG = 60_000; // milliseconds; only catches a hang
    static final AtomicInteger fullHandshakes = new AtomicInteger();
    static volatile boolean closing;

    public static void main(String[] args) throws Exception {
        List<String> options = List.of(args).subList(4, args.length);
        SSLContext context = context(args[1], args[2]);
        int full = 1;
        if (options.contains("resume")) {
            try (SSLSocket first = connect(context, args[0], args[3])) {
                first.getInputStream().read(); // the greeting's first byte, and the ticket before it
            }
            full = 2;
        }
        SSLSocket tls = connect(context, args[0], args[3]);
        System.err.println("suite " + tls.getSession().getCipherSuite() + " resumed " + (fullHandshakes.get() < full));
        carry(tls, options.contains("half"));
    }

    static SSLSocket connect(SSLContext context, String port, String suite) throws Exception {
        SSLSocket tls = (SSLSocket) context.getSocketFactory().createSocket("127.0.0.1", Integer.parseInt(port));
        tls.setSoTimeout(HANG);
        tls.setEnabledProtocols(new String[] {"TLSv1.3"});
        tls.setEnabledCipherSuites(new String[] {suite});
        tls.startHandshake();
        return tls;
    }

    static void carry(SSLSocket tls, boolean half) throws Exception {
        OutputStream out = tls.getOutputStream();
        Thread writer = new Thread(() -> {
            try {
                System.in.transferTo(out);
                closing = true;
                if (half) {
                    tls.shutdownOutput();
                } else {
                    tls.close();
                }
            } catch (Exception broken) {
                System.err.println("could not write: " + broken);
            }
        });
        writer.setDaemon(true); // the server may close while the input stays open
        writer.start();
        InputStream in = tls.getInputStream();
        byte[] bytes = new byte[65536];
        try {
            for (int length; (length = in.read(bytes)) >= 0; ) {
                System.out.write(bytes, 0, length);
                System.out.flush();
            }
            System.err.println("ended by the server's close_notify"); // anything else is an exception
        } catch (java.net.SocketException closed) {
            if (!closing || half) {
                throw closed;
            }
            System.err.println("ended by our close_notify");
        }
        if (closing) {
            writer.join();
        }
        tls.close();
    }

    static SSLContext context(String certificate, String key) throws Exception {
        Certificate shown = CertificateFactory.getInstance("X.509")
                .generateCertificate(new ByteArrayInputStream(Files.readAllBytes(Path.of(certificate))));
        String base64 = Files.readString(Path.of(key)).replaceAll("-----.*-----|\\s", "");
        PKCS8EncodedKeySpec spec = new PKCS8EncodedKeySpec(Base64.getDecoder().decode(base64));
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        store.setKeyEntry("client", KeyFactory.getInstance("EC").generatePrivate(spec), new char[0],
                new Certificate[] {shown});
        KeyManagerFactory keys = KeyManagerFactory.getInstance("PKIX");
        keys.init(store, new char[0]);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), new TrustManager[] {new Anyone()}, null);
        return context;
    }

    // Asked in a full handshake alone.
    static class Anyone implements X509TrustManager {
        public void checkClientTrusted(X509Certificate[] chain, String kind) {}

        public void checkServerTrusted(X509Certificate[] chain, String kind) {
            fullHandshakes.incrementAndGet();
        }

        public X509Certificate[] getAcceptedIssuers() {
            return new X509Certificate[0];
        }
    }
}
