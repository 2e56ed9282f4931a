// The peer that is Node's ws: node --expose-gc ws.mjs PORT HEARTBEAT(s). The same rooms as asgi_rooms.py.
import { createServer } from "node:http";
import { WebSocket, WebSocketServer } from "ws";

const [port, heartbeat] = process.argv.slice(2).map(Number);
const rooms = new Map();
let offset = 0;

process.on("SIGUSR2", () => globalThis.gc());

const server = createServer((_request, response) => {
  response.writeHead(200, { "Content-Type": "application/json", "Content-Length": 15 });
  response.end('{"hello":"you"}');
});
const sockets = new WebSocketServer({ server, perMessageDeflate: false });

function broadcast(message) {
  const said = { ...message, type: "session_message", offset: ++offset };
  const text = JSON.stringify(said);
  for (const member of rooms.get(message.session_id)) {
    if (member.readyState === WebSocket.OPEN) member.send(text);
  }
}

sockets.on("connection", (socket) => {
  socket.isAlive = true;
  socket.on("pong", () => (socket.isAlive = true));
  socket.on("error", () => socket.terminate());
  socket.on("message", (text) => {
    const message = JSON.parse(text);
    if (message.type === "test_message") socket.send(JSON.stringify(message));
    else if (message.type === "broadcast") broadcast(message);
    else {
      const id = message.session_id;
      if (!rooms.has(id)) rooms.set(id, new Set());
      rooms.get(id).add(socket);
      const type = message.type === "create_session" ? "session_created" : "session_joined";
      socket.send(JSON.stringify({ type, session_id: id }));
    }
  });
  socket.on("close", () => {
    for (const members of rooms.values()) members.delete(socket);
  });
});

// As ws's documentation has it.
setInterval(() => {
  for (const socket of sockets.clients) {
    if (!socket.isAlive) {
      socket.terminate();
      continue;
    }
    socket.isAlive = false;
    socket.ping();
  }
}, heartbeat * 1000);

server.listen({ port, host: "127.0.0.1", backlog: 4096 });
