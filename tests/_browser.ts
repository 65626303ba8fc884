import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Browser } from 'playwright-core';
import { chromium } from 'playwright-core';

const root = dirname(import.meta.dirname);
const require = createRequire(import.meta.url);

/** Unpacking takes about two seconds; a machine under load is given this long. */
const UNPACK_TIMEOUT_MS = 120_000;
const LAUNCH_TIMEOUT_MS = 60_000;

/**
 * Starts a headless Chromium that comes with the dependencies: no download, no root, no package of
 * the system. The caller closes it. Every call starts a browser of its own with an empty profile.
 */
export async function launchBrowser(): Promise<Browser> {
  const home = await unpackedBrowser();
  return chromium.launch({
    executablePath: join(home, 'chromium'),
    timeout: LAUNCH_TIMEOUT_MS,
    // No sandbox: tests may run as root or in a container, and they load only our own pages.
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
    env: {
      ...definedEnvironment(),
      // NSS and expat, which a minimal Debian lacks.
      LD_LIBRARY_PATH: join(home, 'al2023', 'lib'),
      FONTCONFIG_FILE: join(home, 'fonts.conf'),
    },
  });
}

/**
 * The folder with the browser, its libraries and fonts, unpacked once for each version. It is filled
 * under another name and renamed, so test processes that meet here find all of it or nothing.
 */
async function unpackedBrowser(): Promise<string> {
  const packageFile = join(dirname(require.resolve('@sparticuz/chromium')), '..', 'package.json');
  const { version } = require(packageFile) as { version: string };
  const home = join(root, '.setup', `chromium-${version}`);
  if (await exists(home)) return home;

  await mkdir(dirname(home), { recursive: true });
  const filling = await mkdtemp(`${home}.`);
  // The package unpacks into the temporary folder of its process: it gets a process with its own.
  await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '--eval', UNPACK, join(dirname(packageFile), 'bin', 'al2023.tar.br')],
    { cwd: root, env: { ...process.env, TMPDIR: filling }, timeout: UNPACK_TIMEOUT_MS },
  );
  await writeFile(join(filling, 'fonts.conf'), fontsConfig(home));
  try {
    await rename(filling, home);
  } catch (error) {
    // Another process was first.
    await rm(filling, { recursive: true, force: true });
    if (!(await exists(home))) throw error;
  }
  return home;
}

const UNPACK = `
import chromium, { inflate } from '@sparticuz/chromium';
await chromium.executablePath();
await inflate(process.argv[1]);
`;

function fontsConfig(home: string): string {
  return `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>${home}/fonts</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir>${home}/fonts-cache</cachedir>
</fontconfig>
`;
}

function definedEnvironment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      (entry): entry is [string, string] => entry[1] !== undefined,
    ),
  );
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
