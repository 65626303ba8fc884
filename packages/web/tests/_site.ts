/// <reference types="node" />
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { parseTilePath } from '@amanat/core/log';
import { readShredCertificate } from '@amanat/core/shred-certificate';
import type { CertifiedEntry } from '@amanat/core/verify';
import { build } from 'vite';
import type { SimulatedAnswer, Simulation } from '../../core/verify/_simulation.ts';
import type { DestroyedMonth, Instance } from '../src/api.ts';
import { agencies, held, holdings, seals, upcoming } from './_canned.ts';

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

/** As strict as the gateway's: nothing inline, nothing from elsewhere. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self'; " +
  "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const BODY_BYTES_MAX = 65_536;

/** What a dishonest gateway does in a test. */
export interface Tampering {
  readonly tile?: (path: string, bytes: Uint8Array) => Uint8Array | null;
  readonly answer?: (answer: SimulatedAnswer) => SimulatedAnswer;
  /** Alters the published checkpoint, alone and in an answer. */
  readonly checkpoint?: (note: string) => string;
  readonly options?: Partial<Parameters<Simulation['answer']>[1]>;
  readonly instance?: (instance: Instance) => Instance;
  readonly certificate?: (certified: CertifiedEntry) => CertifiedEntry;
  /** Answers every asking with this problem. */
  readonly problem?: string;
}

/** The pages, built, with a simulated gateway behind them. */
export interface Site {
  readonly url: string;
  /** Paths and bodies of all requests so far, to see what left the browser. */
  readonly seen: readonly string[];
  simulation: Simulation;
  tampering: Tampering;
  down: boolean;
  close(): Promise<void>;
}

/** Witnesses of whom one does while the glass is broken. */
function witnessesOf(witnesses: Simulation['keys']['witnesses']): Instance['witnesses'] {
  if (witnesses === null) return null;
  const names = witnesses.keys.map((key) => key.split('+')[0] as string);
  return { ...witnesses, names, breakGlassQuorum: 1 };
}

/** The months that are destroyed, and one whose certificate is to come. */
function destroyedOf({ certified }: Simulation): readonly DestroyedMonth[] {
  const months = [...certified].map(([index, { certificate }]) => {
    const { holding, month, destroyed } = readShredCertificate(certificate);
    return { holding: holding ?? '', month: month ?? '', index, destroyed };
  });
  return [...months, { holding: 'travel-history', month: '2026-10', index: 7, destroyed: null }];
}

/** Builds the pages into a fresh folder and serves them on the loopback. */
export async function startSite(simulation: Simulation): Promise<Site> {
  const folder = await mkdtemp(join(tmpdir(), 'amanat-pages-'));
  await build({
    root: join(import.meta.dirname, '..'),
    logLevel: 'warn',
    build: { outDir: folder, emptyOutDir: true, reportCompressedSize: false },
  });
  const seen: string[] = [];
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      response.writeHead(500).end(String(error));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const site: Site = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    simulation,
    tampering: {},
    down: false,
    async close() {
      server.closeAllConnections();
      server.close();
      await rm(folder, { recursive: true });
    },
  };
  return site;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '/', 'http://site');
    const body = await readBody(request);
    seen.push(`${request.method} ${request.url} ${body}`);
    response.setHeader('content-security-policy', POLICY);
    const json = (value: unknown, status = 200) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    const { simulation: source, tampering } = site;
    const alterNote = (note: string) => tampering.checkpoint?.(note) ?? note;
    if (site.down && pathname.startsWith('/v1/')) return void json({ code: 'unavailable' }, 503);
    switch (pathname) {
      case '/v1/instance': {
        const instance: Instance = {
          origin: 'log.amanat.example',
          mode: 'demo',
          banner:
            'demonstration: keeper, gateway, log and witnesses share one machine and one user; the guarantees against the operator are off',
          ...source.keys,
          keeperSealingKey: source.keeperSealingKey,
          witnesses: witnessesOf(source.keys.witnesses),
          brokenUntil: null,
          time: Date.now(),
        };
        return void json(tampering.instance?.(instance) ?? instance);
      }
      case '/v1/agencies':
        return void json({ agencies });
      case '/v1/holdings':
        return void json({ holdings, upcoming });
      case '/v1/seals':
        return void json(seals);
      case '/v1/expired':
        return void json({ months: destroyedOf(source) });
      case '/v1/history': {
        if (tampering.problem !== undefined) return void json({ code: tampering.problem }, 401);
        const ask = JSON.parse(body) as { enc: string; ciphertext: string };
        const found = await source.answer(ask, { now: Date.now(), ...tampering.options });
        if (found === 'unknown-code') return void json({ code: 'unknown-code' }, 401);
        const subjects = found.subjects.map((each) => ({
          ...each,
          held: [...(held[each.controller] ?? [])],
        }));
        const checkpoint = alterNote(found.checkpoint);
        const told = { ...found, checkpoint, subjects };
        return void json(tampering.answer?.(told) ?? told);
      }
      case '/checkpoint':
        return void response.end(alterNote(source.checkpoint()));
    }
    if (pathname.startsWith('/v1/certificates/')) {
      const found = source.certified.get(Number(pathname.split('/').at(-1)));
      if (found === undefined) return void json({ code: 'not-found' }, 404);
      return void json(tampering.certificate?.(found) ?? found);
    }
    if (pathname.startsWith('/tile/')) {
      const path = pathname.slice(1);
      const bytes = source.resource(parseTilePath(path));
      const sent = tampering.tile === undefined ? bytes : tampering.tile(path, bytes);
      return void (sent === null ? response.writeHead(404).end() : response.end(sent));
    }
    const file = extname(pathname) === '' ? '/index.html' : pathname;
    const type = TYPES[extname(file)] ?? 'application/octet-stream';
    response.writeHead(200, { 'content-type': type }).end(await readFile(join(folder, file)));
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of request) {
    body += String(chunk);
    if (body.length > BODY_BYTES_MAX) throw new Error('body is too long');
  }
  return body;
}
