import type { Socket } from 'node:net';
import { createConnection } from 'node:net';

/**
 * A client that sends ready-made requests over kept-open connections, each as soon as the one before it is
 * answered, and does as little as it can besides, because it shares the machine with what it measures.
 * Reads one JSON line {port, connections, bodies} from standard input, and prints one when it is done.
 */
interface Job {
  readonly port: number;
  readonly connections: number;
  readonly bodies: readonly string[];
}

/** What a job came to. Latencies in milliseconds, in no order; statuses by count. */
export interface LoadResult {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly latenciesMs: readonly number[];
  readonly statuses: Readonly<Record<string, number>>;
}

const HEAD_END = Buffer.from('\r\n\r\n');

async function main(): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  const job = JSON.parse(Buffer.concat(chunks).toString()) as Job;
  const messages = job.bodies.map((body) => Buffer.from(message(body)));
  const latenciesMs: number[] = [];
  const statuses: Record<string, number> = {};
  const queue = messages.values();
  const sockets = await Promise.all(
    Array.from({ length: job.connections }, () => connect(job.port)),
  );
  const cpu = process.cpuUsage();
  const started = performance.now();
  await Promise.all(
    sockets.map(async (socket) => {
      for (const each of queue) {
        const sent = performance.now();
        const status = await exchange(socket, each);
        latenciesMs.push(performance.now() - sent);
        statuses[status] = (statuses[status] ?? 0) + 1;
      }
      socket.destroy();
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const result: LoadResult = { seconds, cpuSeconds: (user + system) / 1e6, latenciesMs, statuses };
  process.stdout.write(JSON.stringify(result));
}

function message(body: string): string {
  const length = Buffer.byteLength(body);
  return (
    'POST /v1/requests HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n' +
    `content-length: ${length}\r\n\r\n${body}`
  );
}

function connect(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ port, host: '127.0.0.1', noDelay: true });
    socket.once('connect', () => resolve(socket));
    socket.once('error', reject);
  });
}

/** Sends one message and reads one answer with a content-length; gives its status. */
function exchange(socket: Socket, sent: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    let read: Buffer = Buffer.alloc(0);
    const onData = (chunk: Buffer) => {
      read = read.length === 0 ? chunk : Buffer.concat([read, chunk]);
      const head = read.indexOf(HEAD_END);
      if (head < 0) return;
      const text = read.toString('latin1', 0, head);
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
      if (read.length < head + HEAD_END.length + length) return;
      socket.off('data', onData);
      socket.off('close', onClose);
      resolve(text.slice(9, 12));
    };
    const onClose = () => reject(new Error('the gateway closed the connection'));
    socket.on('data', onData);
    socket.once('close', onClose);
    socket.write(sent);
  });
}

await main();
