import io.socket.client.Ack;
import io.socket.client.IO;
import io.socket.client.Socket;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.json.JSONObject;

/** A client of examples/app: java App.java URL says hello and prints what it hears. */
public class App {
  public static void main(String[] args) throws Exception {
    Socket socket = connect(args[0], "secret");
    CompletableFuture<String> said = new CompletableFuture<>();
    CompletableFuture<Object> acknowledged = new CompletableFuture<>();
    socket.on("said", e -> said.complete(e[0] + " said " + e[1]));
    socket.on(Socket.EVENT_CONNECT, e -> socket.emit("say", "hello", (Ack) a -> acknowledged.complete(a[0])));
    socket.connect();
    System.out.println("acknowledged with " + acknowledged.get(10, TimeUnit.SECONDS));
    System.out.println(said.get(10, TimeUnit.SECONDS));
    socket.disconnect();

    Socket eve = connect(args[0], "guess");
    CompletableFuture<String> refused = new CompletableFuture<>();
    eve.on(Socket.EVENT_CONNECT_ERROR, e -> refused.complete(message(e[0])));
    eve.connect();
    System.out.println("refused: " + refused.get(10, TimeUnit.SECONDS));
    System.exit(0); // the client's threads would go on
  }

  static String message(Object told) {
    return told instanceof JSONObject ? ((JSONObject) told).optString("message") : String.valueOf(told);
  }

  static Socket connect(String url, String token) {
    IO.Options options = new IO.Options();
    options.auth = Map.of("token", token, "name", "Ann");
    options.forceNew = true;
    return IO.socket(java.net.URI.create(url), options);
  }
}
