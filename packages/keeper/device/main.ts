import { chmodSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { createServer } from 'node:net';
import { parseArgs } from 'node:util';
import { encodeFrame, FrameReader } from '../frame.ts';
import { DEVICE_MESSAGE_BYTES_MAX } from './protocol.ts';
import { RootToken } from './token.ts';
import { ToolError } from './tool.ts';

const CONNECTIONS_MAX = 8;
/** How long somebody who has connected may take to ask. */
const ASKING_MS_MAX = 2_000;

/**
 * The process beside the keeper that alone talks to the device with the root's key:
 * `main.ts --module FILE --token LABEL --key ID --pin-file FILE --socket PATH [--embedded] [--group]`.
 * Says `ready` on standard output once it listens; whether the device is there it looks when it is asked. What it refuses
 * it says on standard error, with nothing of the PIN.
 */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      module: { type: 'string' },
      token: { type: 'string' },
      key: { type: 'string' },
      'pin-file': { type: 'string' },
      socket: { type: 'string' },
      embedded: { type: 'boolean', default: false },
      group: { type: 'boolean', default: false },
    },
  });
  const { module, token, key, 'pin-file': pinFile, socket: path } = values;
  if (!module || !token || !key || !pinFile || !path) {
    throw new Error('--module, --token, --key, --pin-file and --socket are needed');
  }
  process.umask(0o077);
  const root = new RootToken({ module, token, key, pinFile });
  // One question after another: a token has few sessions.
  let tail: Promise<unknown> = Promise.resolve();
  const server = createServer((socket) => {
    const reader = new FrameReader();
    socket.setTimeout(ASKING_MS_MAX, () => socket.destroy());
    socket.on('error', () => socket.destroy());
    let isAsked = false;
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const { json, attachment } of reader.push(chunk)) {
          if (isAsked) throw new Error('one question a connection');
          isAsked = true;
          socket.setTimeout(0);
          tail = tail.then(() => answer(root, socket, json, attachment));
        }
      } catch {
        socket.destroy();
      }
    });
  });
  server.maxConnections = CONNECTIONS_MAX;
  rmSync(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ path }, resolve);
  });
  chmodSync(path, values.group ? 0o660 : 0o600);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(0));
  if (values.embedded) {
    // Whoever started it holds the other end of standard input.
    process.stdin.once('close', () => process.exit(0)).resume();
  }
  process.stdout.write('ready\n');
}

/** Answers one question, and ends its connection. Whatever it is asked, it throws nothing. */
async function answer(
  root: RootToken,
  socket: Socket,
  json: unknown,
  message: Buffer,
): Promise<void> {
  // Whoever no longer waits has the device do nothing.
  if (socket.destroyed) return;
  try {
    const { ask } = (json ?? {}) as { readonly ask?: unknown };
    if (ask === 'describe') {
      socket.end(encodeFrame({ device: await root.describe() }));
    } else if (ask === 'mac' && message.length <= DEVICE_MESSAGE_BYTES_MAX) {
      const mac = await root.mac(message);
      const frame = encodeFrame({ mac: 'done' }, mac);
      mac.fill(0);
      socket.end(frame, () => frame.fill(0));
    } else throw new ToolError('unknown-question');
    said = '';
  } catch (error) {
    const refused = error instanceof ToolError ? error : new ToolError('device-failed');
    say(refused.message);
    socket.end(encodeFrame({ refused: refused.code }));
  }
  socket.destroySoon();
}

/** Once until it is something else: a keeper that waits asks again and again. */
let said = '';
function say(line: string): void {
  if (line !== said) process.stderr.write(`device: ${line}\n`);
  said = line;
}

main().catch((error: unknown) => {
  process.stderr.write(`device: ${error instanceof Error ? error.message : 'unknown failure'}\n`);
  process.exit(1);
});
