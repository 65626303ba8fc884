import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = join(import.meta.dirname, 'main.ts');
const DEVICE_MAIN = join(import.meta.dirname, 'device', 'main.ts');
const CORE = '@amanat/core';

/** What of the file system a keeper has to do with. */
export interface KeeperPlaces {
  /** Its own folder, which it reads and writes. */
  readonly dir: string;
  /** Its Unix socket, which it makes. */
  readonly socket: string;
  /** A file that it reads. */
  readonly passphraseFile: string;
  /** The folder of its second copy, where it has one, which it reads and writes. */
  readonly standby?: string | null;
}

/**
 * Node's command line for a keeper that serves: {@link confinement}, the program, and its options. Start it with an
 * empty environment: NODE_OPTIONS could have it load other code.
 * @throws Error where a path holds a `*`, which Node would take for a pattern.
 */
export function keeperArguments(
  places: KeeperPlaces,
  {
    embedded = false,
    group = false,
  }: { readonly embedded?: boolean; readonly group?: boolean } = {},
): readonly string[] {
  const { dir, socket, passphraseFile, standby } = absolute(places);
  return [
    ...confinement(places),
    MAIN,
    ...['--dir', dir, '--socket', socket, '--passphrase-file', passphraseFile],
    ...(standby === null ? [] : ['--standby', standby]),
    ...(embedded ? ['--embedded'] : []),
    ...(group ? ['--group'] : []),
  ];
}

/** What the process that talks to a device has to do with. */
export interface DevicePlaces {
  /** The vendor's PKCS #11 module, the token's label, and the key's id there in hexadecimal. */
  readonly module: string;
  readonly token: string;
  readonly key: string;
  /** A file that it reads. */
  readonly pinFile: string;
  /** Its Unix socket, which it makes. */
  readonly socket: string;
}

/**
 * Node's command line for that process. It may start others, which Node does not confine: pkcs11-tool is one. Itself it
 * reads its code and its PIN, and loads nothing native. The module may need variables of the environment.
 * @throws Error where a path holds a `*`
 */
export function deviceArguments(
  places: DevicePlaces,
  {
    embedded = false,
    group = false,
  }: { readonly embedded?: boolean; readonly group?: boolean } = {},
): readonly string[] {
  const [pinFile, socket] = [resolve(places.pinFile), resolve(places.socket)];
  return [
    ...modelOf([...codeFolders(), pinFile, socket], [socket]),
    '--allow-child-process',
    // That this weakens the model is said above.
    '--disable-warning=PERM0002',
    DEVICE_MAIN,
    ...['--module', places.module, '--token', places.token, '--key', places.key],
    ...['--pin-file', pinFile, '--socket', socket],
    ...(embedded ? ['--embedded'] : []),
    ...(group ? ['--group'] : []),
  ];
}

/**
 * Node's options that confine a keeper's process (Node's permission model): of files it is given its own folder and its
 * standby's, its socket, its passphrase and its code, and neither processes, workers, addons, WASI, a debugger nor code made from
 * text. Not covered by the model: what SQLite opens, and the network.
 * @throws Error where a path holds a `*`, which Node would take for a pattern.
 */
export function confinement(places: KeeperPlaces): readonly string[] {
  const { dir, socket, passphraseFile, standby } = absolute(places);
  const folders = standby === null ? [dir] : [dir, standby];
  return modelOf([...codeFolders(), ...folders, socket, passphraseFile], [...folders, socket]);
}

function modelOf(reads: readonly string[], writes: readonly string[]): readonly string[] {
  const pattern = [...reads, ...writes].find((path) => path.includes('*'));
  if (pattern !== undefined) throw new Error('the keeper cannot be confined: a path holds a *');
  return [
    '--permission',
    '--disallow-code-generation-from-strings',
    ...reads.map((path) => `--allow-fs-read=${path}`),
    ...writes.map((path) => `--allow-fs-write=${path}`),
  ];
}

/** Node compares paths as they are named: what is a symlink is allowed under the name by which it is opened. */
function absolute({ dir, socket, passphraseFile, standby }: KeeperPlaces) {
  return {
    dir: resolve(dir),
    socket: resolve(socket),
    passphraseFile: resolve(passphraseFile),
    standby: standby ? resolve(standby) : null,
  };
}

/** The keeper's own folder, core's, and every place at which Node looks for core on its way there. */
function codeFolders(): readonly string[] {
  const folders = [
    import.meta.dirname,
    dirname(fileURLToPath(import.meta.resolve(`${CORE}/bytes`))),
  ];
  for (let above = dirname(import.meta.dirname); ; above = dirname(above)) {
    const link = join(above, 'node_modules', CORE);
    folders.push(link);
    if (existsSync(link) || above === dirname(above)) return folders;
  }
}
