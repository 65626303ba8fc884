import { readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { equal } from '@amanat/core/bytes';
import type { NoteSignature, TilePosition } from '@amanat/core/log';
import {
  encodeEntryBundle,
  encodeTile,
  formatNote,
  HASH_LENGTH,
  parseNote,
  signerId,
  TILE_WIDTH,
  tilePath,
  tilesBetween,
} from '@amanat/core/log';
import { syncFolder, writeWhole } from '../storage/files.ts';
import type { LogKeys } from './keys.ts';
import type { LogStore } from './store.ts';
import { rangeAt, tileHashes } from './tree.ts';

const CHECKPOINT = 'checkpoint';
/** Tiles that are written at the same time. */
const CONCURRENT_WRITES_MAX = 8;

/** A tree that the keeper has followed to, and the checkpoint that says so. */
export interface TreeHead {
  readonly size: number;
  readonly checkpoint: string;
}

export interface PublisherDeps {
  readonly store: LogStore;
  /** The folder that is served as it is: `checkpoint` and `tile/`. */
  readonly directory: string;
  readonly keys: LogKeys;
  /** At most this often; 0: at once. Intervals keep arrival times from linking entries. */
  readonly intervalSeconds: number;
  /** Told of each tree whose files are there. */
  readonly onPublished: (head: TreeHead) => void;
  /** Told when a publication fails; the next one makes up for it. */
  readonly onFailure: (error: unknown) => void;
}

/**
 * Writes the log's static files. They are derived from the store: each appears whole under its name
 * (written aside, synced, renamed), the checkpoint after every tile it needs; what is missing is written again.
 */
export class Publisher {
  readonly #deps: PublisherDeps;
  #head: TreeHead | null = null;
  /** The tree whose files are all there. */
  #published: TreeHead | null = null;
  #running: Promise<void> | null = null;
  #timer: NodeJS.Timeout | null = null;
  /** Folders with new names that are not synced yet. */
  readonly #touched = new Set<string>();
  #closed = false;

  constructor(deps: PublisherDeps) {
    this.#deps = deps;
  }

  /** Tells of a newer tree, which is published when its time comes. */
  offer(head: TreeHead): void {
    this.#head = head;
    if (this.#closed) return;
    if (this.#deps.intervalSeconds === 0) {
      this.#publishInBackground();
    } else if (this.#published === null) {
      // What the last run left unpublished or half-done is not for the next interval.
      this.#publishInBackground();
    } else {
      this.#timer ??= setTimeout(() => {
        this.#timer = null;
        this.#publishInBackground();
      }, this.#deps.intervalSeconds * 1000).unref();
    }
  }

  /**
   * Publishes up to the newest tree offered so far, or a newer one, and gives the tree that then is published; null
   * before any was offered.
   * @throws whatever the file system throws
   */
  async flush(): Promise<TreeHead | null> {
    const wanted = this.#head;
    // The run under way may have begun with an older tree: at most one more is needed.
    while (wanted !== null && this.#publishedSize < wanted.size) await this.#publishNext();
    return this.#published;
  }

  /**
   * Adds a cosignature to the published checkpoint, where that still is of this text.
   * @throws whatever the file system throws
   */
  async cosigned(text: string, cosignature: NoteSignature): Promise<void> {
    // The file has one writer at a time.
    while (this.#running !== null) await this.#running.catch(() => {});
    const published = this.#published;
    if (published === null || this.#closed) return;
    const note = parseNote(published.checkpoint);
    const isThere = note.signatures.some(({ key }) => signerId(key) === signerId(cosignature.key));
    if (note.text !== text || isThere) return;
    const checkpoint = formatNote(text, [...note.signatures, cosignature]);
    this.#running = this.#publishCheckpoint({ ...published, checkpoint }).finally(() => {
      this.#running = null;
      // What came due meanwhile found the file taken.
      const isBehind = this.#head !== null && this.#head.size > this.#publishedSize;
      if (isBehind && this.#timer === null && !this.#closed) this.#publishInBackground();
    });
    await this.#running;
  }

  get #publishedSize(): number {
    return this.#published?.size ?? -1;
  }

  /** Ends after what is under way; publishes nothing more by itself. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#running?.catch(() => {});
  }

  #publishInBackground(): void {
    if (this.#running !== null) return;
    this.#publishNext().then(
      () => {
        const isBehind = this.#head !== null && this.#head.size > this.#publishedSize;
        if (isBehind && this.#deps.intervalSeconds === 0 && !this.#closed) {
          this.#publishInBackground();
        }
      },
      (error: unknown) => this.#deps.onFailure(error),
    );
  }

  #publishNext(): Promise<void> {
    this.#running ??= this.#publish().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #publish(): Promise<void> {
    const head = this.#head;
    if (head === null) return;
    const isFirst = this.#published === null;
    // The first time every tile is looked at, and those that are there keep as they are, if they are of this tree.
    const keepsFiles = isFirst && (await this.#isOurs(head.size));
    const oldSize = this.#published?.size ?? 0;
    await this.#writeTiles(tilesBetween({ oldSize, newSize: head.size }), head.size, keepsFiles);
    for (const folder of this.#touched) await syncFolder(folder);
    this.#touched.clear();
    await this.#publishCheckpoint(head);
    this.#deps.onPublished(head);
  }

  async #publishCheckpoint(head: TreeHead): Promise<void> {
    await writeWhole(join(this.#deps.directory, CHECKPOINT), Buffer.from(head.checkpoint));
    await syncFolder(this.#deps.directory);
    this.#published = head;
  }

  /** Whether the checkpoint in the folder is of a tree that the store's begins with. */
  async #isOurs(size: number): Promise<boolean> {
    try {
      const note = await readFile(join(this.#deps.directory, CHECKPOINT), 'utf8');
      const published = this.#deps.keys.open(note);
      const isPart = published.size <= size;
      return isPart && equal(rangeAt(this.#deps.store, published.size).root(), published.root);
    } catch {
      // None, or not one of ours: then nothing beside it is believed either.
      return false;
    }
  }

  async #writeTiles(tiles: Iterable<TilePosition>, size: number, keepsFiles: boolean) {
    const queue = tiles[Symbol.iterator]();
    let failed = false;
    const writeInTurn = async (): Promise<void> => {
      for (let next = queue.next(); next.done !== true && !failed; next = queue.next()) {
        try {
          await this.#writeTile(next.value, size, keepsFiles);
        } catch (error) {
          failed = true;
          throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: CONCURRENT_WRITES_MAX }, writeInTurn));
  }

  async #writeTile(tile: TilePosition, size: number, keepsFiles: boolean): Promise<void> {
    const { store, directory } = this.#deps;
    const path = join(directory, tilePath(tile));
    const isThere = keepsFiles && (await fileSize(path)) === tile.width * HASH_LENGTH;
    if (!isThere) {
      await this.#write(path, encodeTile(tileHashes(store, { ...tile, size })));
      await dropPartials(path, tile.width);
    }
    if (tile.level !== 0) return;
    const bundlePath = join(directory, tilePath({ ...tile, level: 'entries' }));
    if (keepsFiles && (await fileSize(bundlePath)) > 0) return;
    const from = tile.index * TILE_WIDTH;
    await this.#write(bundlePath, encodeEntryBundle(store.leaves(from, from + tile.width)));
    await dropPartials(bundlePath, tile.width);
  }

  async #write(path: string, bytes: Uint8Array): Promise<void> {
    await writeWhole(path, bytes);
    this.#touched.add(dirname(path));
  }
}

/** Partial tiles may go once the full one is there (tlog-tiles). */
async function dropPartials(path: string, width: number): Promise<void> {
  if (width === TILE_WIDTH) await rm(`${path}.p`, { recursive: true, force: true });
}

async function fileSize(path: string): Promise<number> {
  return stat(path).then(
    (found) => found.size,
    () => -1,
  );
}
