import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { base64, fromBase64, hex, utf8 } from '@amanat/core/bytes';
import type { JsonObject } from '@amanat/core/canonical';
import type { Declaration, DocumentOf, Request, Selector, Signed } from '@amanat/core/grants';
import { selectorsRoot, signingInput, writeDocument } from '@amanat/core/grants';
import type { SigningKey } from '@amanat/core/keys';
import { generateSigningKey, sign } from '@amanat/core/keys';
import {
  CompactRange,
  encodePublicLeaf,
  formatCheckpoint,
  formatNote,
  formatVerifierKey,
  leafHash,
  noteKey,
  noteMessage,
} from '@amanat/core/log';
import type { RecordRead } from '@amanat/core/statement';
import type { KeeperPort } from './client.ts';
import type { KeeperKeys } from './create.ts';
import { createKeeper, KEEPER_FILES } from './create.ts';
import { packDrawRows, unpackDrawnRows } from './draw-rows.ts';
import { packLeaves } from './frame.ts';
import { Keeper } from './keeper.ts';
import type { PreparedLookUp } from './prepared.ts';
import { splitPrepared } from './prepared.ts';
import type { Asked, DrawRow, MessageName, Messages, Resolved } from './protocol.ts';
import { drawUnderPassphrase, passphraseProvider } from './providers/passphrase.ts';
import type { RootProvider } from './providers/root.ts';

const PURPOSE = 'https://w3id.org/dpv#EnforceSecurity';
const LEGAL_BASIS = 'https://w3id.org/dpv#LegalObligation';
export const HOLDING = 'sim-registrations';
/** Groups of its fields. */
const GROUPS = 3;
export const CNIC = '0123412345671';
export const PASSPHRASE = utf8('a trial passphrase');
const NAME = { en: 'trial', ur: 'trial' };
const CONTACT = { email: 'office@example.org', phone: null, address: null };

/** A keeper in a folder of its own, a log that its test plays, and people who may sign. */
export class Trial {
  readonly dir = mkdtempSync(join(tmpdir(), 'amanat-keeper-'));
  readonly administrators = [generateSigningKey('ed25519'), generateSigningKey('p256')] as const;
  readonly registrar = generateSigningKey('ed25519');
  readonly officer = generateSigningKey('ed25519');
  readonly approver = generateSigningKey('p256');
  readonly importer = generateSigningKey('ed25519');
  readonly logKey = generateSigningKey('ed25519');
  range = CompactRange.empty();
  /** Where questions go instead of the trial's own keeper: to one in a process of its own. */
  port: KeeperPort | null = null;
  now = Date.UTC(2026, 10, 23, 9);
  keys!: KeeperKeys;
  genesis = '';
  keeper!: Keeper;
  importIndex = 0;
  #sequence = 1;
  /** The tree before what was appended last. */
  #before = CompactRange.empty();

  /** @param now the trial's time; a keeper in a process of its own keeps the machine's. */
  static async begin(now?: number): Promise<Trial> {
    const trial = new Trial();
    if (now !== undefined) trial.now = now;
    trial.genesis = await createKeeper({
      dir: trial.dir,
      root: drawUnderPassphrase(Buffer.from(PASSPHRASE), { memory: 64, passes: 1 }),
      genesis: (keys) => {
        trial.keys = keys;
        return trial.#genesis();
      },
    });
    await trial.reopen();
    return trial;
  }

  /** A trial with an agency, its people, a holding, grants, and an import that may draw. */
  static async ready(
    options: {
      readonly now?: number;
      readonly subjectsPerDay?: number;
      readonly rows?: number;
    } = {},
  ): Promise<Trial> {
    const trial = await Trial.begin(options.now);
    const subjectsPerDay = options.subjectsPerDay ?? 50;
    await trial.appendPublic({ document: trial.genesis, signatures: [] });
    await trial.declare();
    await trial.appendPublic(trial.byAdministrators(trial.agency()));
    await trial.certify(trial.officer, 'officer', 'o-1', 'line-a');
    await trial.certify(trial.approver, 'approver', 'a-1', 'line-b');
    await trial.certify(trial.importer, 'importer', 'i-1', 'registry', 'demo-telecom');
    await trial.appendPublic(trial.byAdministrators(trial.grants({ subjectsPerDay })));
    trial.importIndex = trial.range.size;
    const begun = trial.importBegun(options.rows ?? 1000);
    await trial.appendPublic(trial.signed(trial.importer, begun));
    return trial;
  }

  /** Opens the keeper, or opens it again, as after a crash. */
  async reopen(): Promise<void> {
    if (this.keeper !== undefined) this.keeper.close();
    await this.reopenClosed();
  }

  /** Opens the keeper after a process had its folder. */
  async reopenClosed(): Promise<void> {
    this.keeper = await Keeper.open({
      database: join(this.dir, KEEPER_FILES.database),
      root: this.root(),
      wall: () => this.now,
    });
  }

  root(): RootProvider {
    return passphraseProvider(() => Buffer.from(PASSPHRASE));
  }

  end(): void {
    this.keeper.close();
    rmSync(this.dir, { recursive: true });
  }

  /** Writes the passphrase where a keeper's process reads it. */
  passphraseFile(): string {
    const path = join(this.dir, 'passphrase');
    writeFileSync(path, PASSPHRASE, { mode: 0o600 });
    return path;
  }

  async ask<N extends MessageName>(
    name: N,
    body: Messages[N]['ask'],
    attachment: Buffer = Buffer.alloc(0),
  ): Promise<{ answer: Messages[N]['answer']; attachment: Buffer }> {
    if (this.port !== null) return this.port.ask(name, body, attachment);
    const reply = await this.keeper.answer(name, body as unknown as JsonObject, attachment);
    return {
      answer: reply.answer as Messages[N]['answer'],
      attachment: reply.attachment ?? Buffer.alloc(0),
    };
  }

  async resolve(...asks: readonly Asked[]): Promise<readonly Resolved[]> {
    return (await this.ask('resolve', { asks })).answer.asks;
  }

  async prepare(
    id: number,
    records: readonly RecordRead[] = [],
    abandoned = false,
  ): Promise<PreparedLookUp> {
    const { answer, attachment } = await this.ask('prepare', {
      lookUps: [{ id, records, abandoned }],
    });
    return splitPrepared(answer, attachment)[0] as PreparedLookUp;
  }

  /** Appends leaves to the log, and has the keeper follow. */
  async append(leaves: readonly Uint8Array[], wanted: readonly number[] = []) {
    this.#before = CompactRange.from(this.range.size, this.range.hashes());
    for (const leaf of leaves) this.range.append(leafHash(leaf));
    return this.ask(
      'commit',
      { checkpoint: this.checkpoint(), leaves: leaves.length, wanted },
      packLeaves(leaves),
    );
  }

  /** After a kill: takes back what was appended last where the keeper, which may have ended before, has not taken it in. */
  async takeBackLost(): Promise<void> {
    const { size } = (await this.ask('status', {})).answer;
    if (size === this.#before.size) this.range = this.#before;
  }

  async appendPublic(signed: Signed): Promise<void> {
    await this.append([publicLeaf(signed)]);
  }

  checkpoint(
    range: CompactRange = this.range,
    origin = 'example.org/log',
    key = this.logKey,
  ): string {
    const text = formatCheckpoint({ origin, size: range.size, root: range.root() });
    const note = noteKey('example.org/log', rawKey(key));
    return formatNote(text, [{ key: note, signature: sign(key, noteMessage(text)) }]);
  }

  signed(key: SigningKey, document: object): Signed {
    const text = writeDocument(document as DocumentOf<'agency'>);
    return {
      document: text,
      signatures: [{ key: key.public.id, signature: base64(sign(key, signingInput(text))) }],
    };
  }

  byAdministrators(document: object): Signed {
    const [first, second] = this.administrators.map((key) => this.signed(key, document));
    return {
      document: (first as Signed).document,
      signatures: [...(first as Signed).signatures, ...(second as Signed).signatures],
    };
  }

  async certify(
    key: SigningKey,
    role: string,
    person: string,
    line: string,
    agency = 'demo-police',
  ) {
    await this.appendPublic(
      this.byAdministrators({
        type: 'certificate',
        key: key.public.text,
        version: 1,
        person,
        agency,
        line,
        role,
        subjectsPerDay: 1000,
        notAfter: this.now + 365 * 86_400_000,
        time: this.now,
      }),
    );
  }

  async declare(changes: Partial<Declaration> = {}): Promise<void> {
    await this.appendPublic(this.byAdministrators({ ...declaration(), ...changes }));
  }

  agency() {
    return {
      type: 'agency',
      agency: 'demo-police',
      version: 1,
      name: NAME,
      contact: CONTACT,
      subjectsPerDay: 1000,
      time: this.now,
    };
  }

  grants(changes: object = {}) {
    const row = {
      id: 'police-owner',
      effect: 'permit',
      agency: 'demo-police',
      purpose: PURPOSE,
      legalBasis: LEGAL_BASIS,
      holding: HOLDING,
      groups: ['identity', 'number'],
      subjectsMax: 10,
      secondPersonOver: 3,
      hours: null,
      subjectsPerDay: 50,
      ...changes,
    };
    return { type: 'grants', version: 1, utcOffsetMinutes: 300, rows: [row], time: this.now };
  }

  importBegun(rowLimit: number) {
    return {
      type: 'import-begun',
      holding: HOLDING,
      rowLimit,
      commitment: hex(randomBytes(32)),
      nonce: hex(randomBytes(16)),
      time: this.now,
    };
  }

  /** Enters that the import has ended, with no row of it. */
  async endImport(): Promise<void> {
    const document = writeDocument<'import-ended'>({
      type: 'import-ended',
      import: this.importIndex,
      rows: 0,
      stored: 0,
      unchanged: 0,
      rejected: 0,
      root: '00'.repeat(32),
      time: this.now,
    });
    await this.appendPublic({ document, signatures: [] });
  }

  selector(value: string = CNIC, type: 'cnic' | 'msisdn' = 'cnic'): Selector {
    return { type, value, salt: hex(randomBytes(16)) };
  }

  /** A request of the officer's, as it reaches the keeper. */
  request(
    changes: Partial<Request> = {},
    selectors: readonly Selector[] = [this.selector()],
    key: SigningKey = this.officer,
  ): Extract<Asked, { kind: 'request' }> {
    const document = {
      type: 'request' as const,
      purpose: PURPOSE,
      legalBasis: LEGAL_BASIS,
      authority: 'order of a court',
      case: 'case-1',
      selectors: { count: selectors.length, root: selectorsRoot(selectors) },
      holdings: [{ holding: HOLDING, groups: ['identity'] }],
      seal: null,
      sequence: this.#sequence++,
      nonce: hex(randomBytes(16)),
      time: this.now,
      ...changes,
    };
    return { kind: 'request', signed: this.signed(key, document), selectors, approval: null };
  }

  /** Draws keys for rows, as an import does. */
  async drawRows(rows: readonly DrawRow[], index = this.importIndex) {
    const ask = { import: index, rows: rows.length };
    const { answer, attachment } = await this.ask('draw', ask, packDrawRows(rows));
    return { drawn: unpackDrawnRows(attachment, GROUPS), refused: answer.refused };
  }

  /** Draws keys for one row; null where it is refused. Its key is that of the identity group. */
  async draw(row = 1, value: string = CNIC, msisdn = '+923980000001') {
    const { drawn } = await this.drawRows([
      {
        row,
        primary: { type: 'cnic', value },
        secondary: [{ type: 'msisdn', value: msisdn }],
        recordKey: Buffer.alloc(32, 1),
        digest: Buffer.alloc(32, 2),
        eventDate: '2026-01-01',
      },
    ]);
    const [found] = drawn;
    if (found === undefined) return null;
    return {
      subject: hex(found.subject),
      record: hex(found.record),
      expiryMonth: found.expiryMonth,
      nonce: hex(found.nonce),
      key: Buffer.from(found.keys.subarray(0, 32)),
    };
  }

  #genesis(): string {
    return writeDocument({
      type: 'genesis',
      origin: 'example.org/log',
      mode: 'trial',
      logKey: formatVerifierKey(noteKey('example.org/log', rawKey(this.logKey))),
      ...this.keys,
      administrators: this.administrators.map((key) => key.public.text),
      registrar: this.registrar.public.text,
      activationSeconds: 0,
      time: this.now,
    });
  }
}

export function publicLeaf(signed: Signed): Uint8Array {
  const signatures = signed.signatures.map(({ key, signature }) => ({
    key,
    signature: fromBase64(signature),
  }));
  return encodePublicLeaf({ document: signed.document, signatures });
}

function rawKey(key: SigningKey): Uint8Array {
  return fromBase64(key.public.text.slice('ed25519:'.length));
}

export function declaration(): Declaration {
  const field = (name: string, type: string, group: string, identifier: string | null) => ({
    name,
    title: NAME,
    type,
    category: 'https://w3id.org/dpv/pd#Identifying',
    group,
    identifier,
    required: true,
    values: null,
  });
  return {
    type: 'declaration',
    holding: HOLDING,
    version: 1,
    title: NAME,
    controller: { id: 'demo-telecom', name: NAME, contact: CONTACT },
    purposes: [PURPOSE],
    legalBases: [LEGAL_BASIS],
    recipients: ['demo-police'],
    primaryIdentifier: 'cnic',
    recordKey: ['msisdn'],
    eventDate: 'activated',
    retentionMonths: 60,
    reviewDate: '2027-06-30',
    fields: [
      field('cnic', 'cnic', 'identity', 'primary'),
      field('msisdn', 'msisdn', 'number', 'secondary'),
      field('activated', 'date', 'status', null),
    ],
  } as Declaration;
}
