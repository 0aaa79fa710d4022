//! Speaks the scenarios of the client matrix with rust_socketio, see ../README.md:
//!
//!     client URL TRANSPORT FRAMES [SCENARIO...]

use std::collections::HashMap;
use std::sync::mpsc::{channel, Receiver};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rust_socketio::client::Client;
use rust_socketio::{ClientBuilder, Event, Payload, RawClient, TransportType};
use serde_json::{json, Value};

const PATIENCE: Duration = Duration::from_secs(10);

type Outcome = Result<(), String>;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let asked = &arguments[3..];
    let scenarios: [(&str, fn(&Run) -> Outcome); 10] = [
        ("connect", Run::connects),
        ("refused", Run::refused),
        ("acknowledged", Run::acknowledged),
        ("asked", Run::asked),
        ("waited", Run::waited),
        ("binary", Run::binary),
        ("rooms", Run::rooms),
        ("namespaces", Run::namespaces),
        ("ended", Run::ended),
        ("reconnected", Run::reconnected),
    ];
    let run = Run { url: arguments[0].clone(), transport: arguments[1].clone() };
    for (name, scenario) in scenarios {
        if !asked.is_empty() && !asked.iter().any(|a| a == name) {
            continue;
        }
        let began = Instant::now();
        let (status, error) = match scenario(&run) {
            Ok(()) => ("pass", String::new()),
            Err(error) => ("fail", error),
        };
        let ms = began.elapsed().as_millis() as u64;
        println!("{}", json!({"name": name, "status": status, "ms": ms, "error": error}));
    }
    std::process::exit(0); // the threads of the clients go on polling
}

/// The events of one name, kept until they are asked for.
struct Events {
    name: String,
    all: Receiver<Payload>,
}

impl Events {
    fn payload(&self) -> Result<Payload, String> {
        self.all.recv_timeout(PATIENCE).map_err(|_| format!("no {:?} in {PATIENCE:?}", self.name))
    }

    fn next(&self) -> Result<Vec<Value>, String> {
        Ok(values(self.payload()?))
    }

    /// expect is the next event of the application. A server with recovery puts an offset behind its arguments; of an
    /// event with binary data the client drops all others.
    fn expect(&self, want: Value) -> Outcome {
        let payload = self.payload()?;
        let has_offset = std::env::var("NONSTICK_RECOVERY").is_ok_and(|v| v == "on") && matches!(payload, Payload::Text(_));
        let mut got = values(payload);
        if has_offset && !got.pop().is_some_and(|offset| offset.is_string()) {
            return Err(format!("no offset is the last of {got:?}"));
        }
        same(&Value::Array(got), &want)
    }
}

/// values makes arguments of a payload; binary data is a list of its bytes.
fn values(payload: Payload) -> Vec<Value> {
    match payload {
        Payload::Text(values) => values,
        Payload::Binary(bytes) => vec![json!(bytes.to_vec())],
        other => vec![Value::String(format!("{other:?}"))],
    }
}

fn same(got: &Value, want: &Value) -> Outcome {
    if got == want {
        return Ok(());
    }
    Err(format!("got {got}, want {want}"))
}

fn text<E: std::fmt::Display>(error: E) -> String {
    error.to_string()
}

/// A client that is connected, with the events that it listens to. It leaves when it is dropped.
struct Connected {
    client: Client,
    events: HashMap<String, Events>,
}

impl Connected {
    fn on(&self, name: &str) -> &Events {
        &self.events[name]
    }

    fn emit(&self, event: &str, arguments: Vec<Value>) -> Outcome {
        self.client.emit(event, Payload::Text(arguments)).map_err(text)
    }

    /// ask compares what an event is acknowledged with. The client gives the arguments as one list.
    fn ask(&self, event: &str, arguments: Vec<Value>, want: Value) -> Outcome {
        let (to, from) = channel();
        let callback = move |payload: Payload, _: RawClient| {
            let _ = to.send(payload); // nobody waits for a late one
        };
        self.client.emit_with_ack(event, Payload::Text(arguments), PATIENCE, callback).map_err(text)?;
        let late = |_| format!("{event:?} was not acknowledged in {PATIENCE:?}");
        let got = from.recv_timeout(PATIENCE).map_err(late)?;
        same(&Value::Array(values(got)), &json!([want]))
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        let _ = self.client.disconnect(); // it may be disconnected
    }
}

struct Run {
    url: String,
    transport: String,
}

impl Run {
    /// make is a client that is on its way. It listens to the events named, beside those of its connection.
    fn make(&self, namespace: &str, auth: Value, names: &[&str]) -> Result<Connected, String> {
        let transport = match self.transport.as_str() {
            "polling" => TransportType::Polling,
            "websocket" => TransportType::Websocket,
            _ => TransportType::WebsocketUpgrade,
        };
        let mut builder = ClientBuilder::new(self.url.as_str())
            .namespace(namespace)
            .transport_type(transport)
            .auth(auth)
            .reconnect(true)
            .reconnect_delay(50, 200);
        let mut events = HashMap::new();
        let own = [("connect", Event::Connect), ("close", Event::Close), ("error", Event::Error)];
        let named = names.iter().map(|name| (*name, Event::from(*name)));
        for (name, event) in own.into_iter().chain(named) {
            let (to, all) = channel();
            builder = builder.on(event, move |payload, _| {
                let _ = to.send(payload); // nobody listens any longer
            });
            events.insert(name.to_string(), Events { name: name.to_string(), all });
        }
        let client = builder.connect().map_err(text)?;
        Ok(Connected { client, events })
    }

    fn connect(&self, auth: Value, names: &[&str]) -> Result<Connected, String> {
        let connected = self.make("/", auth, names)?;
        connected.on("connect").next()?;
        Ok(connected)
    }

    fn connects(&self) -> Outcome {
        let auth = json!({"hello": true, "text": "ü😀"});
        let c = self.connect(auth.clone(), &["hello"])?;
        c.on("hello").expect(json!([{"nsp": "/"}]))?;
        c.ask("auth", vec![], json!([auth]))
    }

    /// The client tells a refusal as a text in front of what the server sent.
    fn refused(&self) -> Outcome {
        let c = self.make("/", json!({"deny": true}), &[])?;
        let told = c.on("error").next()?;
        let told = told[0].as_str().ok_or("the error is no text")?;
        let json = told.find('{').map(|at| &told[at..]).ok_or("the error has no data")?;
        let got: Value = serde_json::from_str(json).map_err(text)?;
        same(&got, &json!({"message": "denied", "data": {"code": 7, "text": "ü😀"}}))
    }

    fn acknowledged(&self) -> Outcome {
        let c = self.connect(json!({}), &[])?;
        let arguments = json!([1, "ü😀", null, {"a": [true, 0.5]}]);
        c.ask("echo", arguments.as_array().cloned().unwrap_or_default(), arguments)?;
        c.ask("refuse", vec![], json!([{"message": "no"}]))
    }

    fn asked(&self) -> Outcome {
        let c = self.connect(json!({}), &["question", "answered"])?;
        c.emit("ask", vec![json!("why")])?;
        c.on("question").next()?;
        Err("the client has no way to acknowledge an event".into())
    }

    fn waited(&self) -> Outcome {
        self.asked()
    }

    /// The client sends and reads one attachment of an event, and nothing beside it. It cannot ask with one: then it sends
    /// an acknowledgement instead of an event.
    fn binary(&self) -> Outcome {
        let c = self.connect(json!({}), &["back"])?;
        let data: Vec<u8> = (0..=255).collect();
        c.client.emit("back", Payload::from(data.clone())).map_err(text)?;
        c.on("back").expect(json!([data]))
    }

    fn rooms(&self) -> Outcome {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(text)?;
        let room = format!("room {}", now.as_nanos());
        let a = self.connect(json!({"room": room}), &["said"])?;
        let b = self.connect(json!({}), &["said"])?;
        b.ask("join", vec![json!(room)], json!(["ok"]))?;
        a.ask("say", vec![json!(room), json!(1)], json!([true]))?;
        a.on("said").expect(json!([1]))?;
        b.on("said").expect(json!([1]))?;
        a.ask("leave", vec![json!(room)], json!(["ok"]))?;
        a.ask("say", vec![json!(room), json!(2)], json!([true]))?;
        b.on("said").expect(json!([2]))?;
        match a.on("said").all.try_recv() {
            Ok(_) => Err("a socket that has left the room was reached".into()),
            Err(_) => Ok(()),
        }
    }

    /// The client has one namespace in a connection: a second one is a connection of its own.
    fn namespaces(&self) -> Outcome {
        let main = self.connect(json!({}), &[])?;
        let custom = self.make("/custom", json!({"hello": true}), &["hello"])?;
        custom.on("hello").expect(json!([{"nsp": "/custom"}]))?;
        main.ask("echo", vec![json!(1)], json!([1]))?;
        custom.ask("echo", vec![json!(2)], json!([2]))?;
        drop(custom);
        main.ask("echo", vec![json!(3)], json!([3]))
    }

    fn ended(&self) -> Outcome {
        let c = self.connect(json!({}), &["last"])?;
        c.emit("bye", vec![])?;
        c.on("last").expect(json!([1]))?;
        c.on("close").next().map(drop)
    }

    /// The client does not tell the id of its socket.
    fn reconnected(&self) -> Outcome {
        let c = self.connect(json!({}), &[])?;
        println!("{}", json!({"cut": true}));
        c.on("connect").next()?;
        c.ask("echo", vec![json!("again")], json!(["again"]))
    }
}
