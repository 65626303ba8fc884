import type { Declaration, DeclaredField } from '@amanat/core/grants';
import { SECONDARY_MAX } from '@amanat/core/grants';
import type { Problem } from './checker.ts';
import { Checker, join } from './checker.ts';
import type { FieldType } from './declaration.ts';
import { fieldTypes } from './declaration.ts';
import type { TermKind } from './dpv.ts';
import { isTerm } from './dpv.ts';
import { readYaml } from './yaml.ts';

/** The most fields a holding can have. */
const FIELDS_MAX = 60;
/** The most groups a holding's fields can fall into: one ciphertext a group and record. */
const GROUPS_MAX = 16;

/** The name of a holding, agency, controller or group. */
const slugPattern = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const fieldNamePattern = /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/;
const emailPattern = /^[^\s@<>]+@[^\s@<>]+\.[^\s@<>]+$/;
const phonePattern = /^\+?[0-9][0-9 ()-]{2,30}$/;
const datePattern = /^(\d{4})-(\d{2})-(\d{2})$/;
/** Types that can serve as a second way to find a subject. */
const secondaryTypes: readonly FieldType[] = ['msisdn'];

type Controller = Declaration['controller'];
type Title = Declaration['title'];

/** A declaration, or everything that is wrong with it. */
export type ParsedDeclaration =
  | { readonly ok: true; readonly declaration: Declaration }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Reads a holding's YAML file into the declaration that the log has of it. Never throws for any input. */
export function parseDeclarationFile(bytes: Uint8Array): ParsedDeclaration {
  const read = readYaml(bytes);
  if (!read.ok) {
    const path = read.line > 0 ? `line ${read.line}` : 'file';
    return { ok: false, problems: [{ path, code: 'bad-value', expected: read.expected }] };
  }
  return parseDeclaration(read.value);
}

/**
 * Checks a file's plain data and returns the declaration, with every default written out and null for
 * what is left out. Unknown members, terms and names are refused by path. `declaration.schema.json` says the same for other tools; what a schema cannot say (what
 * refers to what) is checked here only. Never throws for any input.
 */
export function parseDeclaration(value: unknown): ParsedDeclaration {
  const check = new Checker();
  const declaration = readDeclaration(check, value);
  if (declaration !== null && check.problems.length === 0) checkAsWhole(check, declaration);
  if (declaration === null || check.problems.length > 0) {
    return { ok: false, problems: check.problems };
  }
  return { ok: true, declaration };
}

function readDeclaration(check: Checker, value: unknown): Declaration | null {
  const members = check.object(
    value,
    '',
    [
      'holding',
      'version',
      'title',
      'controller',
      'purposes',
      'legalBases',
      'recipients',
      'primaryIdentifier',
      'retentionMonths',
      'reviewDate',
      'fields',
    ],
    ['type', 'recordKey', 'eventDate'],
  );
  if (members === null) return null;
  return {
    type: check.oneOf(members.type, 'type', ['declaration']),
    holding: readSlug(check, members.holding, 'holding'),
    version: check.integer(members.version, 'version', 1, 1_000_000),
    title: readTitle(check, members.title, 'title'),
    controller: readController(check, members.controller),
    purposes: check.list(members.purposes, 'purposes', { min: 1, max: 20 }, (item, path) =>
      readTerm(check, item, path, 'purpose'),
    ),
    legalBases: check.list(members.legalBases, 'legalBases', { min: 1, max: 20 }, (item, path) =>
      readTerm(check, item, path, 'legalBasis'),
    ),
    recipients: check.list(members.recipients, 'recipients', { min: 0, max: 64 }, (item, path) =>
      readSlug(check, item, path),
    ),
    primaryIdentifier: check.oneOf(members.primaryIdentifier, 'primaryIdentifier', ['cnic']),
    recordKey: check.list(members.recordKey, 'recordKey', { min: 0, max: 5 }, (item, path) =>
      readFieldName(check, item, path),
    ),
    eventDate:
      members.eventDate === undefined || members.eventDate === null
        ? null
        : readFieldName(check, members.eventDate, 'eventDate'),
    retentionMonths: check.integer(members.retentionMonths, 'retentionMonths', 1, 1200),
    reviewDate: readDate(check, members.reviewDate, 'reviewDate'),
    fields: check.list(
      members.fields,
      'fields',
      { min: 1, max: FIELDS_MAX },
      (item, path) => readField(check, item, path),
      (field) => field.name,
    ),
  };
}

function readController(check: Checker, value: unknown): Controller {
  const nobody = { email: '', phone: null, address: null };
  const none = { id: '', name: { en: '', ur: '' }, contact: nobody };
  if (value === undefined) return none;
  const members = check.object(value, 'controller', ['id', 'name', 'contact']);
  if (members === null) return none;
  const id = readSlug(check, members.id, 'controller.id');
  const name = readTitle(check, members.name, 'controller.name');
  if (members.contact === undefined) return { ...none, id, name };
  const path = 'controller.contact';
  const contact = check.object(members.contact, path, ['email'], ['phone', 'address']);
  if (contact === null) return { ...none, id, name };
  const email = check.string(
    contact.email,
    `${path}.email`,
    200,
    'an e-mail address',
    emailPattern,
  );
  const phone = check.string(contact.phone, `${path}.phone`, 32, 'a phone number', phonePattern);
  const address = check.string(contact.address, `${path}.address`, 300, 'an address');
  return {
    id,
    name,
    contact: {
      email,
      phone: contact.phone === undefined ? null : phone,
      address: contact.address === undefined ? null : address,
    },
  };
}

function readField(check: Checker, value: unknown, path: string): DeclaredField {
  const members =
    check.object(
      value,
      path,
      ['name', 'title', 'type', 'category', 'group', 'required'],
      ['identifier', 'values'],
    ) ?? {};
  const type = check.oneOf(members.type, join(path, 'type'), fieldTypes);
  const identifier =
    members.identifier === undefined
      ? null
      : check.oneOf(members.identifier, join(path, 'identifier'), ['primary', 'secondary', null]);
  const at = join(path, 'values');
  const values = check.list(
    members.values,
    at,
    { min: 1, max: 64 },
    (item, itemPath) => check.string(item, itemPath, 60, 'a text', trimmedPattern),
    (item) => item.normalize('NFC').toLowerCase(),
  );
  if (type === 'enum' && members.values === undefined) {
    check.report(at, 'missing-member', 'the list of values of an enum field');
  }
  if (type !== 'enum' && members.values !== undefined) {
    check.report(at, 'contradiction', 'no values where the type is not enum');
  }
  return {
    name: readFieldName(check, members.name, join(path, 'name')),
    title: readTitle(check, members.title, join(path, 'title')),
    type,
    category: readTerm(check, members.category, join(path, 'category'), 'category'),
    group: readSlug(check, members.group, join(path, 'group')),
    identifier,
    required: check.oneOf(members.required, join(path, 'required'), [true, false]),
    values: type === 'enum' ? values : null,
  };
}

const trimmedPattern = /^\S(.*\S)?$/u;

/** What only the whole document can show: references, and what cannot be true together. */
function checkAsWhole(check: Checker, declaration: Declaration): void {
  const { fields, primaryIdentifier } = declaration;
  const byName = new Map(fields.map((field) => [field.name, field]));
  const primaries = fields.filter((field) => field.identifier === 'primary');
  if (primaries.length !== 1) {
    check.report('fields', 'contradiction', 'exactly one field with identifier primary');
  }
  for (const [index, field] of fields.entries()) {
    const path = `fields[${index}]`;
    if (field.identifier === 'primary') {
      if (field.type !== primaryIdentifier) {
        check.report(
          `${path}.type`,
          'contradiction',
          `${primaryIdentifier}, the primary identifier`,
        );
      }
      if (!field.required) {
        check.report(`${path}.required`, 'contradiction', 'true for the primary identifier');
      }
    }
    if (field.identifier === 'secondary' && !secondaryTypes.includes(field.type)) {
      check.report(`${path}.identifier`, 'contradiction', `a type of ${secondaryTypes.join(', ')}`);
    }
  }
  if (fields.filter((field) => field.identifier === 'secondary').length > SECONDARY_MAX) {
    check.report('fields', 'contradiction', `at most ${SECONDARY_MAX} secondary identifiers`);
  }
  for (const [index, name] of declaration.recordKey.entries()) {
    const field = byName.get(name);
    if (field === undefined || field.type === 'jpeg' || !field.required) {
      check.report(`recordKey[${index}]`, 'contradiction', 'a declared, required, textual field');
    }
  }
  if (declaration.eventDate !== null) {
    const field = byName.get(declaration.eventDate);
    const dated = field?.type === 'date' || field?.type === 'datetime';
    if (!dated || !field.required) {
      check.report('eventDate', 'contradiction', 'a declared, required field of date or datetime');
    }
  }
  if (new Set(fields.map((field) => field.group)).size > GROUPS_MAX) {
    check.report('fields', 'contradiction', `at most ${GROUPS_MAX} groups`);
  }
}

function readTitle(check: Checker, value: unknown, path: string): Title {
  if (value === undefined) return { en: '', ur: '' };
  const members = check.object(value, path, ['en', 'ur']) ?? {};
  return {
    en: check.string(members.en, join(path, 'en'), 120, 'a text in English'),
    ur: check.string(members.ur, join(path, 'ur'), 120, 'a text in Urdu'),
  };
}

function readSlug(check: Checker, value: unknown, path: string): string {
  return check.string(value, path, 63, 'a name such as travel-history', slugPattern);
}

function readFieldName(check: Checker, value: unknown, path: string): string {
  return check.string(value, path, 63, "a field's name such as activation_date", fieldNamePattern);
}

const termWords: Record<TermKind, string> = {
  purpose: 'a known purpose term, by its full IRI',
  legalBasis: 'a known legal basis term, by its full IRI',
  category: 'a known personal data term, by its full IRI',
  operation: 'a known operation term, by its full IRI',
};

function readTerm(check: Checker, value: unknown, path: string, kind: TermKind): string {
  const iri = check.string(value, path, 200, termWords[kind]);
  if (iri !== '' && !isTerm(iri, kind)) check.report(path, 'unknown-term', termWords[kind]);
  return iri;
}

function readDate(check: Checker, value: unknown, path: string): string {
  const text = check.string(value, path, 10, 'a date as YYYY-MM-DD', datePattern);
  const parts = datePattern.exec(text);
  if (parts === null) return text;
  const [year, month, day] = [Number(parts[1]), Number(parts[2]), Number(parts[3])];
  const date = new Date(Date.UTC(year, month - 1, day));
  if (date.toISOString().slice(0, 10) !== text)
    check.report(path, 'bad-value', 'a date that exists');
  return text;
}
