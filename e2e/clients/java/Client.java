import io.socket.client.Ack;
import io.socket.client.IO;
import io.socket.client.Socket;
import io.socket.engineio.client.transports.Polling;
import io.socket.engineio.client.transports.WebSocket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.json.JSONArray;
import org.json.JSONObject;

/** The scenarios of the client matrix, spoken by socket.io-client-java, see ../README.md: {@code Client URL TRANSPORT FRAMES [SCENARIO...]}. */
public final class Client {
  private static final long PATIENCE_SECONDS = 10;

  private static String url;
  private static String[] transports;
  private static final List<Socket> open = new ArrayList<>();

  private interface Scenario {
    void run() throws Exception;
  }

  /** Events of one name, kept until they are asked for. */
  private static final class Events {
    private final BlockingQueue<Object[]> all = new LinkedBlockingQueue<>();
    private final String name;

    Events(Socket socket, String name) {
      this.name = name;
      socket.on(name, all::add);
    }

    Object[] next() throws InterruptedException {
      Object[] args = all.poll(PATIENCE_SECONDS, TimeUnit.SECONDS);
      if (args == null) {
        throw new AssertionError("no \"" + name + "\" in " + PATIENCE_SECONDS + " s");
      }
      return args;
    }

    /** An event of the application without the offset that a server with recovery puts behind its arguments. */
    Object[] heard() throws InterruptedException {
      Object[] args = next();
      if (!"on".equals(System.getenv("NONSTICK_RECOVERY"))) {
        return args;
      }
      if (args.length == 0 || !(args[args.length - 1] instanceof String)) {
        throw new AssertionError("no offset is the last of " + list(args));
      }
      return Arrays.copyOf(args, args.length - 1);
    }
  }

  public static void main(String[] args) throws Exception {
    url = args[0];
    transports = switch (args[1]) {
      case "polling" -> new String[] {Polling.NAME};
      case "websocket" -> new String[] {WebSocket.NAME};
      default -> new String[] {Polling.NAME, WebSocket.NAME};
    };
    List<String> asked = Arrays.asList(args).subList(3, args.length);
    for (Map.Entry<String, Scenario> each : scenarios().entrySet()) {
      if (!asked.isEmpty() && !asked.contains(each.getKey())) {
        continue;
      }
      long began = System.nanoTime();
      String error = "";
      try {
        each.getValue().run();
      } catch (Exception | AssertionError e) {
        error = e.toString();
      }
      print(new JSONObject().put("name", each.getKey()).put("status", error.isEmpty() ? "pass" : "fail")
          .put("ms", (System.nanoTime() - began) / 1_000_000).put("error", error));
      open.forEach(Socket::disconnect);
      open.clear();
    }
    System.exit(0); // the client's threads would go on
  }

  private static Map<String, Scenario> scenarios() {
    Map<String, Scenario> all = new LinkedHashMap<>();
    all.put("connect", Client::connects);
    all.put("refused", Client::refused);
    all.put("acknowledged", Client::acknowledged);
    all.put("asked", Client::asked);
    all.put("waited", Client::waited);
    all.put("binary", Client::binary);
    all.put("rooms", Client::rooms);
    all.put("namespaces", Client::namespaces);
    all.put("ended", Client::ended);
    all.put("reconnected", Client::reconnected);
    return all;
  }

  private static void print(JSONObject line) {
    System.out.println(line);
    System.out.flush();
  }

  private static Socket make(String namespace, boolean forceNew, Map<String, String> auth) {
    IO.Options options = IO.Options.builder().setTransports(transports).setForceNew(forceNew).setReconnectionDelay(50)
        .setReconnectionDelayMax(200).setAuth(auth).build();
    Socket socket = IO.socket(URI.create(url + namespace), options);
    open.add(socket);
    return socket;
  }

  private static Socket connect(Map<String, String> auth) throws InterruptedException {
    Socket socket = make("", true, auth);
    Events connected = new Events(socket, Socket.EVENT_CONNECT);
    socket.connect();
    connected.next();
    return socket;
  }

  private static Socket connect() throws InterruptedException {
    return connect(Collections.emptyMap());
  }

  /** What the server acknowledges an event with. */
  private static Object[] ask(Socket socket, String event, Object... args) throws InterruptedException {
    BlockingQueue<Object[]> answers = new LinkedBlockingQueue<>();
    socket.emit(event, args, (Ack) answers::add);
    Object[] answer = answers.poll(PATIENCE_SECONDS, TimeUnit.SECONDS);
    if (answer == null) {
      throw new AssertionError("\"" + event + "\" was not acknowledged in " + PATIENCE_SECONDS + " s");
    }
    return answer;
  }

  /** Compares values by their JSON; the library's objects have no equals. */
  private static void same(Object got, Object want) {
    String a = String.valueOf(got);
    String b = String.valueOf(want);
    if (!a.equals(b)) {
      throw new AssertionError("got " + a + ", want " + b);
    }
  }

  private static String list(Object... args) {
    return new JSONArray(Arrays.asList(args)).toString();
  }

  private static void connects() throws Exception {
    // The auth of this client is a map of strings.
    Socket socket = make("", true, Map.of("room", "ü😀"));
    Events connected = new Events(socket, Socket.EVENT_CONNECT);
    socket.connect();
    connected.next();
    same(list(ask(socket, "auth")), "[{\"room\":\"ü😀\"}]");
    same(list(ask(socket, "rooms")), "[[\"ü😀\"]]");
  }

  private static void refused() throws Exception {
    Socket denied = make("", true, Map.of("deny", "yes"));
    Events refusal = new Events(denied, Socket.EVENT_CONNECT_ERROR);
    denied.connect();
    JSONObject why = (JSONObject) refusal.next()[0];
    same(why.getString("message"), "denied");
    same(why.getJSONObject("data").getInt("code"), 7);
    same(why.getJSONObject("data").getString("text"), "ü😀");
  }

  private static void acknowledged() throws Exception {
    Socket socket = connect();
    JSONObject object = new JSONObject().put("a", new JSONArray(List.of(true, 0.5)));
    same(list(ask(socket, "echo", 1, "ü😀", JSONObject.NULL, object)), "[1,\"ü😀\",null,{\"a\":[true,0.5]}]");
    same(list(ask(socket, "refuse")), "[{\"message\":\"no\"}]");
  }

  private static void asked() throws Exception {
    Socket socket = connect();
    socket.on("question", args -> ((Ack) args[args.length - 1]).call(args[0] + "!", 2));
    Events answered = new Events(socket, "answered");
    socket.emit("ask", "why");
    same(list(answered.heard()), "[\"why!\",2]");
  }

  private static void waited() throws Exception {
    Socket asking = connect();
    Socket other = connect();
    other.on("q", args -> ((Ack) args[args.length - 1]).call("pong " + args[0]));
    same(ask(asking, "askother", other.id())[0], "pong hi");
  }

  private static void binary() throws Exception {
    Socket socket = connect();
    byte[] all = new byte[256];
    for (int i = 0; i < all.length; i++) {
      all[i] = (byte) i;
    }
    byte[] x = "x".getBytes(StandardCharsets.UTF_8);
    same(Arrays.toString((byte[]) ask(socket, "bin", (Object) all)[0]), Arrays.toString(all));
    Events back = new Events(socket, "back");
    socket.emit("back", new JSONObject().put("list", new JSONArray(Arrays.asList(all, x))), "text");
    Object[] got = back.heard();
    JSONArray parts = ((JSONObject) got[0]).getJSONArray("list");
    same(Arrays.toString((byte[]) parts.get(0)), Arrays.toString(all));
    same(Arrays.toString((byte[]) parts.get(1)), Arrays.toString(x));
    same(got[1], "text");
  }

  private static void rooms() throws Exception {
    String room = "room " + Math.random();
    Socket a = connect(Map.of("room", room));
    Socket b = connect();
    Events saidA = new Events(a, "said");
    Events saidB = new Events(b, "said");
    same(ask(b, "join", room)[0], "ok");
    same(ask(a, "say", room, 1)[0], true);
    same(list(saidA.heard()), "[1]");
    same(list(saidB.heard()), "[1]");
    same(ask(a, "leave", room)[0], "ok");
    ask(a, "say", room, 2);
    same(list(saidB.heard()), "[2]");
    same(saidA.all.size(), 0);
  }

  private static void namespaces() throws Exception {
    Socket main = make("", true, Collections.emptyMap());
    Socket custom = main.io().socket("/custom");
    open.add(custom);
    Events first = new Events(main, Socket.EVENT_CONNECT);
    Events second = new Events(custom, Socket.EVENT_CONNECT);
    main.connect();
    custom.connect();
    first.next();
    second.next();
    same(list(ask(main, "echo", 1)), "[1]");
    same(list(ask(custom, "echo", 2)), "[2]");
    custom.disconnect();
    same(list(ask(main, "echo", 3)), "[3]");
  }

  private static void ended() throws Exception {
    Socket socket = connect();
    Events last = new Events(socket, "last");
    Events disconnected = new Events(socket, Socket.EVENT_DISCONNECT);
    socket.emit("bye");
    same(list(last.heard()), "[1]");
    same(disconnected.next()[0], "io server disconnect");
  }

  private static void reconnected() throws Exception {
    Socket socket = connect();
    String before = socket.id();
    Events disconnected = new Events(socket, Socket.EVENT_DISCONNECT);
    Events connected = new Events(socket, Socket.EVENT_CONNECT);
    print(new JSONObject().put("cut", true));
    disconnected.next();
    connected.next();
    if (socket.id().equals(before)) {
      throw new AssertionError("the socket has its old id");
    }
    same(list(ask(socket, "echo", "again")), "[\"again\"]");
  }
}
