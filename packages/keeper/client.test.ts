import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { KeeperClient, KeeperRefused, KeeperUnavailable } from './client.ts';
import type { Frame } from './frame.ts';
import { encodeFrame, FrameReader } from './frame.ts';

let dir: string;
let server: Server;
let answer: (socket: Socket, frame: Frame & { readonly json: { readonly id: number } }) => void;
let client: KeeperClient;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'amanat-client-'));
  server = createServer((socket) => {
    const reader = new FrameReader();
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      for (const frame of reader.push(chunk)) {
        answer(socket, frame as Frame & { readonly json: { readonly id: number } });
      }
    });
  });
  server.listen({ path: join(dir, 'keeper.sock') });
  await once(server, 'listening');
  client = new KeeperClient(join(dir, 'keeper.sock'));
});
afterEach(async () => {
  await client[Symbol.asyncDispose]();
  server.close();
  rmSync(dir, { recursive: true });
});

describe('a client', () => {
  it('where nobody listens says that the keeper is unavailable', async () => {
    await using nobody = new KeeperClient(join(dir, 'nobody.sock'));
    await assert.rejects(nobody.ask('status', {}), KeeperUnavailable);
  });

  it('loses every question of a connection that breaks, says so, and connects anew for the next', async () => {
    const losses: Error[] = [];
    client.onLost((error) => losses.push(error));
    answer = (socket) => socket.destroy();
    const asked = [client.ask('status', {}), client.ask('status', {})];
    for (const each of asked) await assert.rejects(each, KeeperUnavailable);
    assert.equal(losses.length, 1);
    answer = (socket, { json }) => socket.write(encodeFrame({ id: json.id, answer: { size: 7 } }));
    assert.equal((await client.ask('status', {})).answer.size, 7);
    assert.equal(losses.length, 1);
  });

  it('says that a connection is lost over which nothing is being asked', async () => {
    answer = (socket, { json }) => {
      socket.write(encodeFrame({ id: json.id, answer: {} }));
      setImmediate(() => socket.destroy());
    };
    const lost = new Promise<Error>((resolve) => client.onLost(resolve));
    await client.ask('status', {});
    assert.ok((await lost) instanceof KeeperUnavailable);
  });

  it('never takes the answer to one question for that to another', async () => {
    answer = (socket, { json }) => socket.write(encodeFrame({ id: json.id + 1, answer: {} }));
    await assert.rejects(client.ask('status', {}), KeeperUnavailable);
    // More answers than questions: the second stands in nobody's place.
    answer = (socket, { json }) => {
      socket.write(
        Buffer.concat([
          encodeFrame({ id: json.id, answer: { size: 1 } }),
          encodeFrame({ id: json.id + 1, answer: { size: 2 } }),
        ]),
      );
    };
    assert.equal((await client.ask('status', {})).answer.size, 1);
    answer = (socket, { json }) => socket.write(encodeFrame({ id: json.id, answer: { size: 3 } }));
    const again = await client.ask('status', {}).catch(() => client.ask('status', {}));
    assert.equal(again.answer.size, 3);
  });

  it('a question that cannot be sent fails alone, and the next gets its own answer', async () => {
    answer = (socket, { json }) => socket.write(encodeFrame({ id: json.id, answer: { size: 4 } }));
    await assert.rejects(client.ask('view', { ask: 1n as never }), TypeError);
    assert.equal((await client.ask('status', {})).answer.size, 4);
  });

  it('takes what is no frame, or no answer, for a lost connection', async () => {
    for (const bytes of [Buffer.alloc(8), encodeFrame(null), encodeFrame([]), encodeFrame('x')]) {
      answer = (socket) => socket.write(bytes);
      await assert.rejects(client.ask('status', {}), KeeperUnavailable);
    }
  });

  it('gives refusals by their code, and attachments beside answers', async () => {
    answer = (socket, { json, attachment }) => {
      socket.write(encodeFrame({ id: json.id, refused: 'row-limit', detail: 'x' }));
      socket.write(encodeFrame({ id: json.id + 1, answer: { size: 1 } }, attachment));
    };
    const [refused, answered] = [
      client.ask('status', {}),
      client.ask('status', {}, Buffer.from('beside')),
    ];
    await assert.rejects(
      refused,
      (error) => error instanceof KeeperRefused && error.code === 'row-limit',
    );
    answer = () => {};
    assert.equal((await answered).attachment.length, 0);
  });
});
