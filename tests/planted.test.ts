import assert from 'node:assert/strict';
import { randomBytes, randomInt } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { writeDocument } from '@amanat/core/grants';
import type { SigningKey } from '@amanat/core/keys';
import { generateSigningKey } from '@amanat/core/keys';
import { writeIdentityCards } from '../packages/server/demo/generate/identity-cards.ts';
import { generatePeople } from '../packages/server/demo/generate/people.ts';
import { readHistory } from './_history.ts';
import { Instance } from './_instance.ts';
import type { Planted } from './_planted.ts';
import { PlantedForms } from './_planted.ts';
import { Served } from './_served.ts';

/**
 * I12, by the bytes: values that occur nowhere else are imported, rejected, asked for, refused, mistyped and put into
 * addresses. Afterwards none of them stands in any file of the instance, in any line that its processes wrote, or in
 * any temporary file.
 */
const PROJECT = dirname(import.meta.dirname);
const planted: Planted[] = [];

/** Plants a value: it is looked for in every form from here on. */
function plant(what: string, value: string): string {
  planted.push({ what, value });
  return value;
}

const word = () => randomBytes(6).toString('hex').replace(/\d/g, 'q');
const number = (length: number) => Array.from({ length }, () => String(randomInt(10))).join('');
/** An identity number of the synthetic range, as a card shows it. */
const cnic = (what: string) => plant(what, `0${number(4)}-${number(7)}-${number(1)}`);
const msisdn = (what: string) => plant(what, `+92 398 ${number(7)}`);
const imsi = (what: string) => plant(what, `00101${number(10)}`);
const name = (what: string) => plant(what, `Zarqa${word()} Begum${word()}`);
const urdu = (what: string) => {
  const letters = 'ابپتٹثجچحخدڈرڑزژسشصضطظعغفقکگلمنوہیے';
  const part = () =>
    Array.from({ length: 9 }, () => letters[randomInt(letters.length)] as string).join('');
  return plant(what, `${part()} ${part()}`);
};
const digits = (text: string) => text.replace(/\D/g, '');

const folder = mkdtempSync(join(tmpdir(), 'amanat-planted-'));
const input = join(folder, 'input');
const temporary = join(folder, 'tmp');
for (const each of [input, temporary]) mkdirSync(each);

let instance: Instance;
let served: Served;
let url: string;
let registryImporter: SigningKey;

before(async () => {
  instance = await Instance.create();
  await instance.declare('identity-card-images');
  registryImporter = generateSigningKey('ed25519');
  await instance.enter<'certificate'>({
    type: 'certificate',
    key: registryImporter.public.text,
    version: 1,
    person: 'r-1',
    agency: 'demo-registry',
    line: 'one',
    role: 'importer',
    subjectsPerDay: 0,
    notAfter: Date.now() + 86_400_000,
    time: Date.now(),
  });
  await instance.stopGateway();
  await instance.stopKeeper();
  served = new Served(instance, { ...process.env, TMPDIR: temporary });
  url = await served.start();
});

after(async () => {
  await served?.[Symbol.asyncDispose]();
  await instance?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** Writes an input file; its name is planted too where it says so. */
function file(fileName: string, content: string | Buffer): string {
  const path = join(input, fileName);
  writeFileSync(path, content);
  return path;
}

const HEADING = 'cnic,name,address,msisdn,imsi,operator,activation_date,biometric_status';
const subject = {
  cnic: cnic('an identity number'),
  name: name('a name'),
  address: plant('an address', `House 7, Street ${word()}, Islamabad`),
  msisdn: msisdn('a mobile number'),
  imsi: imsi('a SIM’s number'),
};
const other = {
  cnic: cnic('another identity number'),
  name: urdu('a name in Urdu'),
  address: urdu('an address in Urdu'),
  msisdn: msisdn('another mobile number'),
};
const third = { cnic: cnic('a third identity number'), name: urdu('a name of a UTF-16 file') };

/** The rows of a good import, and of rows that are rejected with what they hold. */
function simsFile(): string {
  const row = (cells: readonly string[]) =>
    cells.map((cell) => (/[",]/.test(cell) ? `"${cell}"` : cell)).join(',');
  const status = ['Alif Mobile', '2024-03-05', 'verified'];
  const rest = (what: string) => [msisdn(`mobile number ${what}`), imsi(`SIM ${what}`)];
  const rejected = [
    [
      cnic('number, bad date'),
      name('name, bad date'),
      '',
      ...rest('of a bad date'),
      'Alif Mobile',
      plant('a date that is none', `2024-02-30${word()}`),
      'verified',
    ],
    [
      cnic('number, no such operator'),
      name('name, no such operator'),
      '',
      ...rest('of no operator'),
      plant('an operator that is none', `Operator ${word()}`),
      '2024-03-05',
      'verified',
    ],
    [
      plant('an identity number that is none', `9${number(11)}X`),
      name('name, bad number'),
      '',
      ...rest('of a bad number'),
      ...status,
    ],
    [
      cnic('number, ragged row'),
      name('name, ragged row'),
      '',
      ...rest('of a ragged row'),
      ...status,
      plant('one cell too many', `extra ${word()}`),
    ],
    [cnic('number, short row'), name('name, short row')],
    [
      cnic('number, bad mobile number'),
      name('name, bad mobile number'),
      '',
      plant('a mobile number that is none', `+92 39 ${number(9)}`),
      '',
      ...status,
    ],
    // The mobile number is another person's.
    [
      cnic('number of a second holder'),
      name('name of a second holder'),
      '',
      subject.msisdn,
      '',
      ...status,
    ],
  ];
  const good = [
    [subject.cnic, subject.name, subject.address, subject.msisdn, subject.imsi, ...status],
    [digits(other.cnic), other.name, other.address, other.msisdn, '', ...status],
  ];
  return `${[HEADING, ...[...good, ...rejected].map(row)].join('\r\n')}\r\n`;
}

/** A card's image with a comment in it. */
async function jpeg(comment: string): Promise<Buffer> {
  const drawn = mkdtempSync(join(folder, 'drawn-'));
  const people = generatePeople('planted', 1, '2026-11-23');
  await writeIdentityCards(drawn, people, { onProgress: () => {} });
  const [fileName] = readdirSync(drawn);
  const image = readFileSync(join(drawn, fileName ?? ''));
  const text = Buffer.from(comment);
  const segment = Buffer.from([0xff, 0xfe, 0, text.length + 2]);
  return Buffer.concat([image.subarray(0, 2), segment, text, image.subarray(2)]);
}

function ask(signed: object, approval: object | null = null) {
  return served.post('/v1/requests', { ...signed, approval });
}

const terms = () => ({
  case: plant('an officer’s case', `FIR ${word()} against ${word()}`),
  authority: plant('an officer’s authority', `warrant ${word()}`),
});
const of = (...values: readonly string[]) =>
  values.map((value) => ({ type: 'cnic', value: digits(value) }) as const);

describe('what is planted', { concurrency: false }, () => {
  test('comes in by imports, with rows and files that are refused', async () => {
    const importer = instance.key('telecom-importer');
    const sims = file('sims.csv', simsFile());
    const ended = await served.import(importer, 'sim-registrations', [sims]);
    assert.deepEqual([ended.stored, ended.rejected], [2, 7]);
    const utf16 = `${HEADING}\n${third.cnic},${third.name},,${msisdn('UTF-16 mobile')},,Alif Mobile,2024-03-05,verified\n`;
    const wide = file('wide.csv', Buffer.from(utf16, 'utf16le'));
    const second = await served.import(importer, 'sim-registrations', [wide], 'utf-16le');
    assert.equal(second.stored, 1);
    const undeclared = `${HEADING},${plant('a heading', `vetting ${word()}`)}\n${subject.cnic},x,,${subject.msisdn},,Alif Mobile,2024-03-05,verified,1\n`;
    const stranger = file('undeclared.csv', undeclared);
    await assert.rejects(served.import(importer, 'sim-registrations', [stranger]), /vetting/);
    await assert.rejects(served.import(instance.key('officer'), 'sim-registrations', [sims]));
    const crossings = [
      'cnic,name,crossed_at,direction,post,carrier,document',
      `${subject.cnic},${subject.name},2026-01-05T10:00:00+05:00,entry,Wagah,${plant('a carrier', `Carrier ${word()}`)},${plant('a passport', `QX${number(7)}`)}`,
      `${subject.cnic},${subject.name},2026-13-05T10:00:00+05:00,entry,Wagah,,${plant('a rejected passport', `QY${number(7)}`)}`,
    ];
    const travel = file('crossings.csv', `${crossings.join('\n')}\n`);
    const crossed = await served.import(instance.key('border-importer'), 'travel-history', [
      travel,
    ]);
    assert.deepEqual([crossed.stored, crossed.rejected], [1, 1]);
  });

  test('comes in as images, whose names are identity numbers', async () => {
    const cards = join(input, 'cards');
    mkdirSync(cards);
    const whole = await jpeg(plant('an image’s comment', `drawn by ${word()}`));
    const cut = await jpeg(plant('a truncated image’s comment', `drawn by ${word()}`));
    writeFileSync(join(cards, `${subject.cnic}.front.jpg`), whole);
    writeFileSync(join(cards, `${cnic('a truncated card')}.front.jpg`), cut.subarray(0, -40));
    const ended = await served.import(registryImporter, 'identity-card-images', [cards]);
    assert.deepEqual([ended.stored, ended.rejected], [1, 1]);
  });

  test('is disclosed to officers, and refused', async () => {
    const shown = await ask(
      instance.request(
        'officer',
        of(subject.cnic, other.cnic, third.cnic).map(({ value }) => value),
        terms(),
      ),
    );
    assert.equal(shown.status, 200);
    for (const value of [subject.name, subject.cnic, subject.imsi, other.name, third.name]) {
      assert.ok(shown.text.includes(value), 'the answer holds what was imported');
    }
    const identifiers = [{ type: 'msisdn', value: `+${digits(subject.msisdn)}` } as const];
    const byNumber = await ask(instance.request('officer', [], { identifiers, ...terms() }));
    assert.ok(byNumber.text.includes(subject.name));
    const miss = await ask(instance.request('officer', [digits(cnic('a miss'))], terms()));
    assert.equal(miss.status, 200);
    const purpose = 'https://w3id.org/dpv#Marketing';
    const known = [digits(subject.cnic)];
    assert.equal(
      (await ask(instance.request('officer', known, { purpose, ...terms() }))).status,
      403,
    );
    assert.equal(
      (await ask(instance.request('officer-without-grant', known, terms()))).status,
      403,
    );
    assert.equal((await ask(instance.request('registrar', known, terms()))).status, 401);
    const late = { time: Date.now() - 3_600_000, ...terms() };
    assert.equal((await ask(instance.request('officer', known, late))).status, 401);
    const holdings = [{ holding: 'travel-history', groups: ['identity', 'crossing'] }];
    const request = instance.request('officer', known, { holdings, ...terms() });
    assert.equal((await ask(request)).status, 202);
    const approved = await ask(request, instance.approve('approver', request));
    assert.ok(approved.text.includes(subject.name));
    const replayed = await ask(request, instance.approve('approver', request));
    assert.equal(replayed.status, 401);
  });

  test('is protected, and shown to the person herself', async () => {
    const document = writeDocument<'protection'>({
      type: 'protection',
      identifier: { type: 'cnic', value: digits(other.cnic) },
      protected: true,
      reason: plant('a reason for protection', `witness ${word()}`),
      nonce: randomBytes(16).toString('hex'),
      time: Date.now(),
    });
    const signed = instance.sign(document, 'administrator-1', 'administrator-2');
    assert.equal((await served.post('/v1/protections', signed)).status, 201);
    const { code, signed: handedOut } = instance.code(digits(subject.cnic));
    plant('a person’s code', code);
    plant('a person’s code, as it is handed out', (code.match(/.{4}/g) ?? []).join(' '));
    assert.equal((await served.post('/v1/codes', handedOut)).status, 201);
    assert.ok((await readHistory(served, code)).verified);
    const wrong = plant('a code that is none', randomBytes(16).toString('hex'));
    const { response } = await readHistory(served, wrong);
    assert.equal(response.status, 401);
  });

  test('is mistyped, put into addresses, and sent as what it is not', async () => {
    const value = cnic('an identity number in an address');
    const who = name('a name in an address');
    for (const path of [
      `/v1/persons/${value}`,
      `/v1/requests?cnic=${digits(value)}`,
      `/v1/imports/${value}`,
      `/v1/imports/${value}/rejects`,
      `/v1/keys/${encodeURIComponent(who)}`,
      `/v1/agencies/${encodeURIComponent(who)}`,
      `/v1/holdings/${value}`,
      `/tile/0/${value}`,
      `/${encodeURIComponent(who)}#${value}`,
      `/%${value}`,
    ]) {
      for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
        await served.ask(method, path, method === 'GET' ? null : `{"name":"${who}"}`);
        await fetch(url + path, { method }).catch(() => {});
      }
    }
    const valid = {
      ...instance.request('officer', [digits(subject.cnic)], terms()),
      approval: null,
    };
    const [selector] = valid.selectors;
    for (const body of [
      { ...valid, [who]: value },
      { ...valid, document: who },
      { ...valid, document: `${valid.document} ${value}` },
      { ...valid, selectors: [{ ...selector, value }] },
      { ...valid, selectors: [{ ...selector, value: digits(value) }] },
      { ...valid, selectors: who },
      { ...valid, signatures: [{ key: value, signature: who }] },
      { ...valid, approval: { document: who, signatures: [] } },
      [value],
    ]) {
      for (const path of [
        '/v1/requests',
        '/v1/history',
        '/v1/codes',
        '/v1/protections',
        '/v1/imports',
        '/v1/documents',
        '/v1/grants/explain',
      ]) {
        const { status } = await served.post(path, body);
        assert.ok(status >= 400 && status < 500, `${path} answers ${status}`);
      }
    }
    for (const text of [
      `{"cnic":"${value}"`,
      `${who}`,
      `\0${value}`,
      `{"__proto__":{"${who}":1}}`,
    ]) {
      assert.equal((await served.ask('POST', '/v1/requests', text)).status, 400);
    }
    for (const header of [
      'authorization',
      'cookie',
      'x-request-id',
      'referer',
      'user-agent',
      'traceparent',
    ]) {
      await served.ask('GET', '/v1/imports/0/rejects', null, { [header]: `Bearer ${value}` });
    }
    await served.ask('POST', '/v1/requests', value, {
      'content-type': `text/${word()}; name=${value}`,
    });
    await sendRaw(`GET ${value} ${who}\r\n\r\n`);
    await sendRaw(`POST /v1/requests HTTP/1.1\r\nhost: x\r\n${value}\r\n\r\n`);
  });
});

/** Bytes that may be no HTTP at all. */
async function sendRaw(text: string): Promise<void> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  socket.end(text);
  await new Promise((resolve) => socket.resume().once('close', resolve));
}

/** Looks everywhere. */
function findings() {
  const forms = new PlantedForms(planted);
  const inInstance = forms.findUnder(instance.dir);
  const inTemporary = forms.findUnder(temporary);
  const inOutput = forms.findIn('what the processes wrote', Buffer.from(served.output));
  return {
    found: [...inInstance.findings, ...inTemporary.findings, ...inOutput],
    files: inInstance.files.map((path) => path.slice(instance.dir.length + 1)),
    forms: forms.count,
  };
}

/** Files that a process has open, beyond the instance's and the program's own. */
function otherFilesOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    let path: string;
    try {
      path = readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return [];
    }
    const isKnown = [instance.dir, PROJECT, '/dev/', '/proc/', '/sys/'].some((each) =>
      path.startsWith(each),
    );
    return path.startsWith('/') && !isKnown ? [path] : [];
  });
}

describe('what was planted is found', { concurrency: false }, () => {
  test('in the files it came from, and in each form it is looked for in', () => {
    const forms = new PlantedForms(planted);
    const { findings: found } = forms.findUnder(input);
    const found1 = new Set(found.map(({ what }) => what));
    for (const what of [
      'an identity number',
      'a name in Urdu',
      'a name of a UTF-16 file',
      'an image’s comment',
      'a passport',
    ]) {
      assert.ok(found1.has(what), `${what} is found in the input`);
    }
    assert.ok(
      found.some(({ where, what }) => where.startsWith('name of') && what === 'an identity number'),
    );
    const text = `{"a":"${subject.name}","b":"${subject.cnic}"}`;
    for (const bytes of [
      Buffer.from(Buffer.from(text).toString('base64')),
      Buffer.from(Buffer.from(`x${text}`).toString('base64url')),
      Buffer.from(Buffer.from(`xx${text}`).toString('hex')),
      Buffer.from(text, 'utf16le'),
      Buffer.from(text.toUpperCase()),
    ]) {
      assert.deepEqual(
        forms
          .findIn('here', bytes)
          .map(({ what }) => what)
          .sort(),
        ['a name', 'an identity number'],
      );
    }
  });

  test('nowhere while the processes run, nor in any other file that they have open', (t) => {
    const { found, files, forms } = findings();
    t.diagnostic(`${planted.length} values in ${forms} forms, in ${files.length} files`);
    assert.deepEqual(found, []);
    for (const each of [
      'store/amanat.db',
      'store/amanat.db-wal',
      'store/amanat.db-shm',
      'keeper/keeper.db',
      'keeper/keeper.db-wal',
      'log/public/checkpoint',
    ]) {
      assert.ok(files.includes(each), `${each} was looked into`);
    }
    assert.ok(files.some((each) => each.endsWith('.rejects.csv')));
    assert.ok(files.some((each) => each.startsWith('log/public/tile/entries/')));
    assert.ok(served.output.includes('"answered"'), 'there were log lines');
    assert.deepEqual(otherFilesOf(served.pid), []);
    assert.deepEqual(otherFilesOf(served.keeperPid() ?? assert.fail()), []);
  });

  test('nowhere after the gateway was killed, nor after it mended and stopped', async () => {
    await served.kill();
    assert.deepEqual(findings().found, []);
    await served.start();
    await served.stop();
    assert.deepEqual(findings().found, []);
  });
});
