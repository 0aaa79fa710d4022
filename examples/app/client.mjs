// A client of the server: node client.mjs [URL] says hello and shows what it hears.
import { io } from "socket.io-client";

const socket = io(process.argv[2] ?? "http://127.0.0.1:3000", {
  auth: { token: "secret", name: "Ann" },
  forceBase64: true, // API Gateway takes no binary frames
});
socket.on("connect_error", (err) => {
  console.error(err.message);
  process.exit(1);
});
const said = new Promise((resolve) => socket.on("said", (name, text) => resolve(`${name} said ${text}`)));
console.log("acknowledged with", await socket.emitWithAck("say", "hello"));
console.log(await said);
socket.disconnect();
