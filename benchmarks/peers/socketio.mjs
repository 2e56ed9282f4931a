// The peer that is socket.io: node --expose-gc socketio.mjs PORT HEARTBEAT(s). The same rooms as asgi_rooms.py.
import { createServer } from "node:http";
import { Server } from "socket.io";

const [port, heartbeat] = process.argv.slice(2).map(Number);
let offset = 0;

process.on("SIGUSR2", () => globalThis.gc());

const server = createServer();
const io = new Server(server, {
  transports: ["websocket"],
  pingInterval: heartbeat * 1000,
  pingTimeout: heartbeat * 1000,
});

io.on("connection", (socket) => {
  const join = (answer) => ({ session_id }) => {
    socket.join(session_id);
    socket.emit(answer, { session_id });
  };
  socket.on("create_session", join("session_created"));
  socket.on("join_session", join("session_joined"));
  socket.on("test_message", (message) => socket.emit("test_message", message));
  socket.on("broadcast", (message) => {
    io.to(message.session_id).emit("session_message", { ...message, offset: ++offset });
  });
});

server.listen({ port, host: "127.0.0.1", backlog: 4096 });
