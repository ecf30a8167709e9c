// Drives real Socket.IO clients for a test: commands come in and what is heard goes out, a line of
// JSON each.
import readline from "node:readline";
import { io } from "socket.io-client";

const sockets = new Map();

function tell(name, event, data) {
  process.stdout.write(`${JSON.stringify({ name, event, data })}\n`);
}

function connect({ name, url, auth, transports, origin }) {
  const extraHeaders = origin ? { origin } : {};
  const socket = io(url, { auth, transports, extraHeaders, forceNew: true, reconnection: false });
  sockets.set(name, socket);
  socket.io.on("open", () => {
    const { engine } = socket.io;
    tell(name, "open", { transport: engine.transport.name });
    engine.on("upgrade", (transport) => tell(name, "upgrade", { transport: transport.name }));
  });
  socket.on("connect", () => tell(name, "connect", null));
  socket.on("connect_error", (error) => tell(name, "connect_error", { message: error.message }));
  socket.on("disconnect", (reason) => tell(name, "disconnect", { reason }));
  socket.onAny((event, data) => tell(name, event, data));
}

const commands = {
  connect,
  emit: ({ name, event, data }) =>
    sockets.get(name).emit(event, data, (ack) => tell(name, "ack", ack)),
  disconnect: ({ name }) => sockets.get(name).disconnect(),
};

for await (const line of readline.createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  commands[command.do](command);
}
process.exit(0);
