import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  CompactRange,
  encodeEntryBundle,
  encodePersonalLeaf,
  encodeTile,
  leafHash,
  TILE_HEIGHT,
  TILE_WIDTH,
  tilePath,
} from '@amanat/core/log';
import { verifyFolder } from '../packages/server/audit/audit.ts';

/**
 * How fast a whole log is verified, tiles to root, on one process and on two: a synthetic log of 77-byte leaves is
 * written to a temporary folder, and verified from there. Run by hand:
 * node bench/verify-log.ts [--entries 2000000] [--processes 1,2]
 */
const { values } = parseArgs({
  options: {
    entries: { type: 'string', default: '2000000' },
    processes: { type: 'string', default: '1,2' },
  },
});

const size = Number(values.entries);
const folder = mkdtempSync(join(tmpdir(), 'amanat-verify-log-'));
try {
  console.log(`${cpus()[0]?.model}, ${availableParallelism()} cores, Node.js ${process.version}`);
  const root = writeLog(folder, size);
  for (const processes of values.processes.split(',').map(Number)) {
    const started = performance.now();
    const cpu = process.cpuUsage();
    const { range, counts, findings } = await verifyFolder(folder, { size, root }, { processes });
    const seconds = (performance.now() - started) / 1000;
    if (range === null || counts.personal !== size) throw new Error(JSON.stringify(findings));
    const rate = Math.round(size / seconds).toLocaleString('en-US');
    const { user, system } = process.cpuUsage(cpu);
    // Of the other processes this one does not know it.
    const own = processes === 1 ? `, ${((user + system) / size).toFixed(2)} µs of CPU each` : '';
    console.log(`${processes} processes: ${rate} entries/s (${seconds.toFixed(2)} s${own})`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Writes the files of a log of so many leaves, and gives its root. */
function writeLog(directory: string, leaves: number): Uint8Array {
  const range = CompactRange.empty();
  const filling: { index: number; hashes: Uint8Array[] }[] = [];
  const write = (path: string, bytes: Uint8Array) => {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), bytes);
  };
  const flush = (level: number) => {
    const { index, hashes } = filling[level] ?? { index: 0, hashes: [] };
    if (hashes.length === 0) return;
    write(tilePath({ level, index, width: hashes.length }), encodeTile(hashes));
    filling[level] = { index: index + 1, hashes: [] };
  };
  for (let at = 0; at < leaves; at += TILE_WIDTH) {
    const width = Math.min(TILE_WIDTH, leaves - at);
    const bundle = Array.from({ length: width }, (_, i) => syntheticLeaf(at + i));
    write(tilePath({ level: 'entries', index: at / TILE_WIDTH, width }), encodeEntryBundle(bundle));
    for (const leaf of bundle) {
      range.append(leafHash(leaf), (nodeLevel, _index, hash) => {
        if (nodeLevel % TILE_HEIGHT !== 0) return;
        const level = nodeLevel / TILE_HEIGHT;
        filling[level] ??= { index: 0, hashes: [] };
        if (filling[level].hashes.push(hash) === TILE_WIDTH) flush(level);
      });
    }
  }
  for (const level of filling.keys()) flush(level);
  return range.root();
}

function syntheticLeaf(seed: number): Uint8Array {
  const commitment = Buffer.alloc(32);
  commitment.writeUInt32BE(seed, 28);
  return encodePersonalLeaf({ hour: '2026-11-23T08Z', commitment });
}
