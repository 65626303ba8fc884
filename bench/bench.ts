import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:net';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { readDocument } from '@amanat/core/grants';
import type { SignedRequest } from '../packages/server/cli/requests.ts';
import type { Gateway } from '../packages/server/gateway.ts';
import { startGateway } from '../packages/server/gateway.ts';
import { measureExpiry } from './expiry.ts';
import { quantile } from './figures.ts';
import { measureFloors } from './floors.ts';
import { BenchInstance, memoryOf } from './instance.ts';
import type { LoadResult } from './load.ts';

/** How much is done. The quick form ends within 55 s on two cores. */
const SIZES = {
  quick: {
    people: 30_000,
    requests: 3_000,
    lone: 300,
    inProcess: 6_000,
    witnessed: 1_000,
    expiry: 100_000,
  },
  full: {
    people: 200_000,
    requests: 20_000,
    lone: 2_000,
    inProcess: 40_000,
    witnessed: 10_000,
    expiry: 10_000_000,
  },
} as const;

const CONNECTIONS = 64;
const BATCH = 64;
/** Requests at the start that no figure counts. */
const WARM_UP = 500;
/** How far away a witness is that is not on this machine. */
const DELAY_MS = 40;

export interface BenchOptions {
  readonly quick: boolean;
  /** Instead of everything else: expiry and erasure. */
  readonly expiry: boolean;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

/** Figures by name, units last. Rates of one run on one machine: only their ratios travel. */
export type BenchResult = Readonly<Record<string, string | number>>;

/** Measures imports, disclosures over HTTP and in process, and memory, on an instance of its own. */
export async function runBench(options: BenchOptions): Promise<BenchResult> {
  const { quick, signal, say } = options;
  const size = quick ? SIZES.quick : SIZES.full;
  const started = performance.now();
  const figures: Record<string, string | number> = {
    machine: `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores, Node.js ${process.version}`,
  };
  if (options.expiry) {
    return { ...figures, ...(await measureExpiry({ records: size.expiry, signal, say })) };
  }
  const instance = await BenchInstance.create(size.people);
  try {
    Object.assign(figures, measureFloors(instance.dir));
    signal.throwIfAborted();
    say('serving; importing…');
    const server = await instance.serve();
    try {
      await instance.declare();
      const imported = await instance.import();
      figures.import_rows = imported.stored;
      figures.import_rows_per_second = Math.round(imported.rows / imported.seconds);
      for (const kind of ['p256', 'ed25519'] as const) {
        signal.throwIfAborted();
        say(`disclosures over HTTP, requests signed with ${kind}…`);
        await load(server.port, CONNECTIONS, instance.requests(kind, WARM_UP));
        const result = await load(server.port, CONNECTIONS, instance.requests(kind, size.requests));
        figures[`http_${kind}_per_second`] = Math.round(size.requests / result.seconds);
        figures[`http_${kind}_p50_ms`] = quantile(result.latenciesMs, 0.5);
        figures[`http_${kind}_p99_ms`] = quantile(result.latenciesMs, 0.99);
        figures[`http_${kind}_client_cpu_us`] = Math.round(
          (result.cpuSeconds / size.requests) * 1e6,
        );
      }
      say('lone requests over HTTP…');
      const lone = await load(server.port, 1, instance.requests('p256', size.lone));
      figures.lone_p50_ms = quantile(lone.latenciesMs, 0.5);
      figures.lone_p99_ms = quantile(lone.latenciesMs, 0.99);
      Object.assign(figures, memoryFigures(server.process.pid ?? 0));
    } finally {
      server.process.kill('SIGTERM');
      await once(server.process, 'exit');
    }
    signal.throwIfAborted();
    say(`disclosures in process, ${BATCH} at a time…`);
    Object.assign(figures, await measureInProcess(instance, size));
    figures.seconds = Math.round((performance.now() - started) / 1000);
    return figures;
  } finally {
    rmSync(instance.dir, { recursive: true, force: true });
  }
}

/**
 * Gateway and keeper and back, durable, with sealed entries and signatures, and without HTTP: with nobody's
 * cosignatures, with one witness's, with those of three of four, and with those of three of four at a distance. The
 * witnesses are in a process of their own on this machine.
 */
async function measureInProcess(
  instance: BenchInstance,
  size: { readonly inProcess: number; readonly witnessed: number },
): Promise<Record<string, number>> {
  await using gateway = await startGateway({ dir: instance.dir, port: null });
  await using away = new AsyncDisposableStack();
  const run = async (requests: readonly SignedRequest[]) => {
    const seconds = await discloseAll(gateway, requests);
    return Math.round(requests.length / seconds);
  };
  const requests = (count: number) => instance.requests('p256', count);
  const { witnesses } = instance;
  await run(requests(WARM_UP));
  const unwitnessed = await run(requests(size.inProcess));
  await instance.appoint(witnesses.slice(0, 1));
  const one = await run(requests(size.witnessed));
  await instance.appoint(witnesses);
  const four = await run(requests(size.witnessed));
  const distant = [];
  for (const { key, url } of witnesses) {
    const { server, port } = await listenAway(Number(new URL(url).port));
    away.defer(() => void server.close());
    distant.push({ key, url: `http://127.0.0.1:${port}/` });
  }
  await instance.appoint(distant);
  return {
    in_process_per_second: unwitnessed,
    in_process_1_witness_per_second: one,
    in_process_4_witnesses_per_second: four,
    [`in_process_4_witnesses_${DELAY_MS}_ms_per_second`]: await run(requests(size.witnessed)),
  };
}

/** Seconds that it takes to disclose what is asked, so many at a time. */
async function discloseAll({ disclosure }: Gateway, requests: readonly SignedRequest[]) {
  const queue = requests.values();
  const started = performance.now();
  await Promise.all(
    Array.from({ length: BATCH }, async () => {
      for (const { selectors, ...signed } of queue) {
        const request = readDocument(signed.document, 'request');
        const body = { signed, request, selectors, approval: null };
        const { outcome } = await disclosure.request(body);
        if (outcome !== 'disclosed') throw new Error(`a request was answered with ${outcome}`);
      }
    }),
  );
  return (performance.now() - started) / 1000;
}

/** Stands before a port as if it were so far away: whatever is sent there arrives so much later. */
async function listenAway(port: number) {
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    near.on('data', (bytes) => setTimeout(() => far.write(bytes), DELAY_MS));
    far.pipe(near);
    near.on('close', () => far.destroy()).on('error', () => {});
    far.on('close', () => near.destroy()).on('error', () => {});
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

/** Sends requests from a process of its own. Every one must be answered 200. */
async function load(
  port: number,
  connections: number,
  requests: readonly SignedRequest[],
): Promise<LoadResult> {
  const bodies = requests.map((request) => JSON.stringify({ ...request, approval: null }));
  const child = spawn(process.execPath, [join(import.meta.dirname, 'load.ts')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.end(JSON.stringify({ port, connections, bodies }));
  let printed = '';
  child.stdout.setEncoding('utf8');
  for await (const text of child.stdout) printed += String(text);
  const result = JSON.parse(printed) as LoadResult;
  if (result.statuses['200'] !== requests.length) {
    throw new Error(`requests were answered with ${JSON.stringify(result.statuses)}`);
  }
  return result;
}

function memoryFigures(pid: number): Record<string, number> {
  const gateway = memoryOf(pid);
  const [child] = childrenOf(pid);
  const keeper = child === undefined ? null : memoryOf(child);
  return {
    ...(gateway === null ? {} : { gateway_memory_mib: gateway.most }),
    ...(keeper === null ? {} : { keeper_memory_mib: keeper.most }),
  };
}

function childrenOf(pid: number): readonly number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8')
        .split(' ')
        .filter(Boolean)
        .map(Number),
    );
  } catch {
    return [];
  }
}
