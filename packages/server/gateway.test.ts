import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { base64 } from '@amanat/core/bytes';
import { signingInput, writeDocument } from '@amanat/core/grants';
import { generateSigningKey, sign } from '@amanat/core/keys';
import { pino } from 'pino';
import { createInstance } from './cli/create-instance.ts';
import { instancePaths } from './config/paths.ts';
import type { Gateway } from './gateway.ts';
import { startGateway } from './gateway.ts';

const administrators = [generateSigningKey('ed25519'), generateSigningKey('ed25519')] as const;
const logger = pino({ level: 'silent' });
const registrar = generateSigningKey('ed25519');

async function instance(t: TestContext): Promise<string> {
  const parent = mkdtempSync(join(tmpdir(), 'amanat-gw-'));
  t.after(() => rmSync(parent, { recursive: true }));
  const dir = join(parent, 'd');
  const settings = {
    dir,
    mode: 'demo',
    origin: 'log.test.example',
    administrators: [administrators[0].public.text, administrators[1].public.text],
    registrar: registrar.public.text,
    activationSeconds: 0,
    port: 8080,
    publishSeconds: 0,
  } as const;
  await createInstance(settings, { now: Date.now(), random: randomBytes });
  return dir;
}

function ask(
  gateway: Gateway,
  path: string,
  body?: unknown,
): Promise<{ status: number; body: string }> {
  const { socketPath } = gateway;
  const method = body === undefined ? 'GET' : 'POST';
  const headers = { 'content-type': 'application/json' };
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, path, method, headers, agent: false }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (chunk: string) => {
        text += chunk;
      });
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: text }));
    });
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

const enterAgency = (gateway: Gateway, version: number) => {
  const document = writeDocument({
    type: 'agency',
    agency: 'police',
    version,
    name: { en: 'Police', ur: 'پولیس' },
    contact: { email: 'desk@police.example', phone: null, address: null },
    subjectsPerDay: 10,
    time: 0,
  });
  const signatures = administrators.map((key) => ({
    key: key.public.id,
    signature: base64(sign(key, signingInput(document))),
  }));
  return ask(gateway, '/v1/documents', { document, signatures });
};

async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail('it did not come about');
}

test('a second gateway of one folder is refused, and so are a key others can read and a folder too deep', async (t) => {
  const dir = await instance(t);
  const key = join(instancePaths(dir).log, 'log-key.pem');
  chmodSync(key, 0o644);
  await assert.rejects(startGateway({ dir, port: null }), /chmod 600/);
  chmodSync(key, 0o600);
  await using gateway = await startGateway({ dir, port: null });
  await assert.rejects(startGateway({ dir, port: null }), { code: 'already-served' });
  assert.equal((await ask(gateway, '/v1/health')).status, 200);
  assert.equal(statSync(gateway.socketPath).mode & 0o777, 0o600);
  assert.equal(gateway.url, null);
  const deep = join(dir, 'x'.repeat(100));
  mkdirSync(deep);
  await assert.rejects(startGateway({ dir: deep, port: null }), { code: 'no-instance' });
  copyFileSync(join(dir, 'config.json'), join(deep, 'config.json'));
  await assert.rejects(startGateway({ dir: deep, port: null }), /too long for a Unix socket/);
});

test('a port that is taken stops the start, and leaves nothing running', async (t) => {
  const dir = await instance(t);
  const other = await instance(t);
  await using gateway = await startGateway({ dir, port: 0, logger });
  const port = Number(new URL(gateway.url ?? '').port);
  await assert.rejects(startGateway({ dir: other, port, logger }), { code: 'EADDRINUSE' });
  await using again = await startGateway({ dir: other, port: 0, logger });
  const answer = await fetch(`${again.url}/v1/instance`);
  assert.equal(((await answer.json()) as { origin: string }).origin, 'log.test.example');
});

test('behind a proxy that the settings name each client has failures of its own', async (t) => {
  const dir = await instance(t);
  const path = join(dir, 'config.json');
  const config = JSON.parse(readFileSync(path, 'utf8'));
  writeFileSync(path, JSON.stringify({ ...config, trustedProxy: ['127.0.0.1'] }));
  await using gateway = await startGateway({ dir, port: 0, logger });
  const fail = async (client: string) => {
    const headers = { 'content-type': 'application/json', 'x-forwarded-for': client };
    const answer = await fetch(`${gateway.url}/v1/requests`, {
      method: 'POST',
      headers,
      body: '{}',
    });
    await answer.arrayBuffer();
    return answer.status;
  };
  for (let i = 0; i < 120; i++) assert.equal(await fail(`203.0.113.${i}, 192.0.2.1`), 400);
  assert.equal(await fail('203.0.113.200, 192.0.2.1'), 429);
  assert.equal(await fail('192.0.2.2'), 400);
});

test('with the keeper killed, entries are refused with 503, health says so, and all goes on by itself', async (t) => {
  const dir = await instance(t);
  await using gateway = await startGateway({ dir, port: null });
  assert.equal((await enterAgency(gateway, 1)).status, 201);
  // Without its passphrase the keeper cannot come back.
  const { passphrase } = instancePaths(dir);
  const text = readFileSync(passphrase);
  rmSync(passphrase);
  process.kill(gateway.keeperPid ?? assert.fail(), 'SIGKILL');
  await until(async () => (await ask(gateway, '/v1/health')).status === 503);
  const refused = await enterAgency(gateway, 2);
  assert.equal(refused.status, 503);
  assert.equal(JSON.parse(refused.body).code, 'keeper-unavailable');
  writeFileSync(passphrase, text, { mode: 0o600 });
  await until(async () => (await ask(gateway, '/v1/health')).status === 200);
  // What was stored before the keeper failed to answer stands; it was never acknowledged.
  const { latestVersion } = JSON.parse((await ask(gateway, '/v1/agencies/police')).body);
  assert.ok(latestVersion === 1 || latestVersion === 2);
  assert.equal((await enterAgency(gateway, latestVersion + 1)).status, 201);
});

test('a stopped gateway leaves no socket and no keeper, and starts again where it was', async (t) => {
  const dir = await instance(t);
  const first = await startGateway({ dir, port: null });
  assert.equal((await enterAgency(first, 1)).status, 201);
  const keeperPid = first.keeperPid ?? assert.fail();
  await first.close();
  assert.equal(existsSync(first.socketPath), false);
  assert.throws(() => process.kill(keeperPid, 0), { code: 'ESRCH' });
  await using gateway = await startGateway({ dir, port: null });
  const { agencies } = JSON.parse((await ask(gateway, '/v1/agencies')).body);
  assert.equal(agencies.length, 1);
  assert.equal((await enterAgency(gateway, 2)).status, 201);
  await until(async () => (await ask(gateway, '/checkpoint')).body.includes('\n3\n'));
});
