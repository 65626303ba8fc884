import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { base64, utf8 } from '@amanat/core/bytes';
import { CoreError } from '@amanat/core/errors';
import { Register, readDocument } from '@amanat/core/grants';
import { exportSigningKey, generateSealingKey, generateSigningKey } from '@amanat/core/keys';
import { drawGeneration, KeyRing } from './key-ring.ts';
import type { DrawnRoot } from './providers/root.ts';
import { Roots } from './roots.ts';
import { TOKEN_SECRET } from './shredding.ts';
import { FIRST_GENERATION } from './slots.ts';
import { KeeperStore } from './store.ts';

/** The files of a keeper's folder. */
export const KEEPER_FILES = {
  database: 'keeper.db',
  ceremony: 'ceremony.sock',
  /** Where the process listens that talks to a device (see device/main.ts). */
  device: 'device.sock',
  lock: 'keeper.lock',
  /** Which backups of the folder exist, a line each (see backups.ts); empty at first. */
  backups: 'backups.jsonl',
} as const;

/** A new keeper's public keys, as its genesis document names them. */
export interface KeeperKeys {
  readonly keeperKey: string;
  readonly keeperSealingKey: string;
}

/**
 * Makes a keeper: its folder, under a root that was drawn for it the first generation, its own signing and sealing keys, and the document that it pins,
 * which names the log, the administrators and the registrar: the log's first leaf must be this very text. All of it is
 * there in one step, or none, because its rows are authenticated together from their first sum on. Gives the document.
 * @throws CoreError 'bad-document'; Error where a keeper is there already
 */
export async function createKeeper(options: {
  readonly dir: string;
  readonly root: DrawnRoot;
  /** Writes the genesis, in which the new keys are named. */
  readonly genesis: (keys: KeeperKeys) => string;
}): Promise<string> {
  const signing = generateSigningKey('ed25519');
  const sealing = await generateSealingKey();
  const document = options.genesis({
    keeperKey: signing.public.text,
    keeperSealingKey: base64(sealing.publicKey),
  });
  checkGenesis(document);
  mkdirSync(options.dir, { recursive: true, mode: 0o700 });
  closeSync(openSync(join(options.dir, KEEPER_FILES.backups), 'a', 0o600));
  const { place, root } = options.root;
  const first = await drawGeneration(root, FIRST_GENERATION);
  const store = KeeperStore.create(join(options.dir, KEEPER_FILES.database));
  try {
    store.transaction(() => {
      new Roots(store).begin(place);
      const ring = KeyRing.begin(store, root, first);
      ring.putSecret('signing', utf8(exportSigningKey(signing)));
      ring.putSecret('sealing', sealing.pkcs8);
      sealing.pkcs8.fill(0);
      ring.sealingKey(TOKEN_SECRET);
      store.run("INSERT INTO meta VALUES ('genesis', ?)", document);
      store.beginSum(ring.rowSumKeys());
    });
    return document;
  } finally {
    store.close();
  }
}

function checkGenesis(document: string): void {
  readDocument(document, 'genesis');
  if (new Register().apply(0, { document, signatures: [] }, 0) !== null) {
    throw new CoreError('bad-document', 'genesis names a key that does not parse');
  }
}
