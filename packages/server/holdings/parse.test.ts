import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { readDocument, writeDocument } from '@amanat/core/grants';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { groupNames } from './declaration.ts';
import type { TermKind } from './dpv.ts';
import { listTerms } from './dpv.ts';
import { parseDeclaration, parseDeclarationFile } from './parse.ts';
import type { ShippedHolding } from './shipped.ts';
import { readShipped, shippedHoldings } from './shipped.ts';
import type { PlainValue } from './yaml.ts';
import { readYaml } from './yaml.ts';

const schema = JSON.parse(
  readFileSync(new URL('./declaration.schema.json', import.meta.url), 'utf8'),
);
const fitsSchema = new Ajv2020({ strict: true, allErrors: true, allowUnionTypes: true }).compile(
  schema,
);

interface Loose {
  [member: string]: unknown;
}

/** A fresh, changeable copy of what a shipped file holds. */
function sample(): Loose & { fields: Loose[]; controller: Loose & { contact: Loose } } {
  return contentOf('sim-registrations') as never;
}

function contentOf(holding: ShippedHolding): PlainValue {
  const read = readYaml(readShipped(holding));
  assert.ok(read.ok);
  return structuredClone(read.value);
}

function problemsOf(value: unknown): readonly string[] {
  const parsed = parseDeclaration(value);
  return parsed.ok ? [] : parsed.problems.map(({ path, code }) => `${path}: ${code}`);
}

// Each change is refused by the code and by the published schema alike.
const refusals: readonly (readonly [string, (d: ReturnType<typeof sample>) => void, string])[] = [
  [
    'an unknown member',
    (d) => {
      d.owner = 'x';
    },
    'owner: unknown-member',
  ],
  [
    'an unknown member that has a number for its name',
    (d) => {
      (d as Record<string, unknown>)['0123412345671'] = 'x';
    },
    '####: unknown-member',
  ],
  [
    'an unknown member of a field',
    (d) => {
      d.fields[2]!.mask = true;
    },
    'fields[2].mask: unknown-member',
  ],
  [
    'an unknown member of a contact',
    (d) => {
      d.controller.contact.fax = '1';
    },
    'controller.contact.fax: unknown-member',
  ],
  [
    'a missing holding',
    (d) => {
      delete d.holding;
    },
    'holding: missing-member',
  ],
  [
    'a missing Urdu title',
    (d) => {
      d.title = { en: 'x' };
    },
    'title.ur: missing-member',
  ],
  [
    'a holding that is no slug',
    (d) => {
      d.holding = 'SIM Cards';
    },
    'holding: bad-value',
  ],
  [
    'a version of nought',
    (d) => {
      d.version = 0;
    },
    'version: bad-value',
  ],
  [
    'a version that is not whole',
    (d) => {
      d.version = 1.5;
    },
    'version: wrong-type',
  ],
  [
    'a version in words',
    (d) => {
      d.version = '1';
    },
    'version: wrong-type',
  ],
  [
    'retention without end',
    (d) => {
      d.retentionMonths = 1201;
    },
    'retentionMonths: bad-value',
  ],
  [
    'no purpose',
    (d) => {
      d.purposes = [];
    },
    'purposes: bad-value',
  ],
  [
    'an unknown purpose',
    (d) => {
      d.purposes = ['https://w3id.org/dpv#Curiosity'];
    },
    'purposes[0]: unknown-term',
  ],
  [
    'a category as a purpose',
    (d) => {
      d.purposes = ['https://w3id.org/dpv/pd#Name'];
    },
    'purposes[0]: unknown-term',
  ],
  [
    'a purpose twice',
    (d) => {
      d.purposes = [(d.purposes as string[])[0], (d.purposes as string[])[0]];
    },
    'purposes[1]: duplicate',
  ],
  [
    'an unknown legal basis',
    (d) => {
      d.legalBases = ['amanat:BecauseWeCan'];
    },
    'legalBases[0]: unknown-term',
  ],
  [
    'an unknown category',
    (d) => {
      d.fields[0]!.category = 'https://w3id.org/dpv/pd#Aura';
    },
    'fields[0].category: unknown-term',
  ],
  [
    'a recipient that is no slug',
    (d) => {
      d.recipients = ['Police!'];
    },
    'recipients[0]: bad-value',
  ],
  [
    'recipients that are no list',
    (d) => {
      d.recipients = 'demo-police';
    },
    'recipients: wrong-type',
  ],
  [
    'another primary identifier',
    (d) => {
      d.primaryIdentifier = 'msisdn';
    },
    'primaryIdentifier: bad-value',
  ],
  [
    'an unknown type',
    (d) => {
      d.fields[0]!.type = 'fingerprint';
    },
    'fields[0].type: bad-value',
  ],
  [
    'an enum without values',
    (d) => {
      delete d.fields[5]!.values;
    },
    'fields[5].values: missing-member',
  ],
  [
    'values outside an enum',
    (d) => {
      d.fields[1]!.values = ['a'];
    },
    'fields[1].values: contradiction',
  ],
  [
    'required in words',
    (d) => {
      d.fields[1]!.required = 'yes';
    },
    'fields[1].required: bad-value',
  ],
  [
    'no fields',
    (d) => {
      d.fields = [];
    },
    'fields: bad-value',
  ],
  [
    'a review date that is no date',
    (d) => {
      d.reviewDate = 'soon';
    },
    'reviewDate: bad-value',
  ],
  [
    'an e-mail address that is none',
    (d) => {
      d.controller.contact.email = 'ask us';
    },
    'controller.contact.email: bad-value',
  ],
  [
    'a control character in a title',
    (d) => {
      d.title = { en: 'a\u0007b', ur: 'ا' };
    },
    'title.en: bad-value',
  ],
];

for (const [name, change, expected] of refusals) {
  test(`${name} is refused by path, in code and in the schema`, () => {
    const declaration = sample();
    change(declaration);
    assert.ok(problemsOf(declaration).includes(expected), problemsOf(declaration).join('; '));
    assert.equal(fitsSchema(declaration), false);
  });
}

// What a schema cannot say.
const contradictions: readonly (readonly [
  string,
  (d: ReturnType<typeof sample>) => void,
  string,
])[] = [
  [
    'no primary identifier',
    (d) => {
      d.fields[0]!.identifier = null;
    },
    'fields: contradiction',
  ],
  [
    'two primary identifiers',
    (d) => {
      d.fields.push({ ...d.fields[0], name: 'cnic_two' });
    },
    'fields: contradiction',
  ],
  [
    'a primary identifier of another type',
    (d) => {
      d.fields[0]!.type = 'text';
    },
    'fields[0].type: contradiction',
  ],
  [
    'an optional primary identifier',
    (d) => {
      d.fields[0]!.required = false;
    },
    'fields[0].required: contradiction',
  ],
  [
    'a name as secondary identifier',
    (d) => {
      d.fields[1]!.identifier = 'secondary';
    },
    'fields[1].identifier: contradiction',
  ],
  [
    'more secondary identifiers than the keeper takes with a row',
    (d) => {
      const number = d.fields.find(({ identifier }) => identifier === 'secondary')!;
      for (const name of ['two', 'three', 'four', 'five']) d.fields.push({ ...number, name });
    },
    'fields: contradiction',
  ],
  [
    'a record key of an undeclared field',
    (d) => {
      d.recordKey = ['serial'];
    },
    'recordKey[0]: contradiction',
  ],
  [
    'a record key of an optional field',
    (d) => {
      d.recordKey = ['imsi'];
    },
    'recordKey[0]: contradiction',
  ],
  [
    'an event date of an undeclared field',
    (d) => {
      d.eventDate = 'sold_at';
    },
    'eventDate: contradiction',
  ],
  [
    'an event date that may be missing',
    (d) => {
      d.eventDate = 'activation_date';
      d.fields[6]!.required = false;
    },
    'eventDate: contradiction',
  ],
  [
    'an event date that is no date',
    (d) => {
      d.eventDate = 'name';
    },
    'eventDate: contradiction',
  ],
  [
    'a field twice',
    (d) => {
      d.fields.push({ ...d.fields[1] });
    },
    'fields[8]: duplicate',
  ],
  [
    'values that differ in case only',
    (d) => {
      d.fields[5]!.values = ['Alif', 'alif'];
    },
    'fields[5].values[1]: duplicate',
  ],
  [
    'a review date that does not exist',
    (d) => {
      d.reviewDate = '2027-02-30';
    },
    'reviewDate: bad-value',
  ],
];

for (const [name, change, expected] of contradictions) {
  test(`${name} is refused by path`, () => {
    const declaration = sample();
    change(declaration);
    assert.ok(problemsOf(declaration).includes(expected), problemsOf(declaration).join('; '));
  });
}

test('every problem is listed at once, and no more than the bound', () => {
  assert.equal(problemsOf({}).length, 11);
  const many = Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`m${at}`, at]));
  assert.equal(problemsOf(many).length, 50);
  assert.deepEqual(problemsOf(null), [': wrong-type']);
  assert.deepEqual(problemsOf([]), [': wrong-type']);
});

test("an unknown member's name is printed on one line and cut short", () => {
  const declaration = sample();
  declaration[`x\n\u202e${'y'.repeat(500)}`] = 1;
  const parsed = parseDeclaration(declaration);
  assert.ok(!parsed.ok);
  assert.match(parsed.problems[0]!.path, /^x\?\?y+…$/);
});

for (const holding of shippedHoldings) {
  test(`the shipped ${holding} is taken, fits the schema, and is a document of the log`, () => {
    const parsed = parseDeclarationFile(readShipped(holding));
    assert.ok(parsed.ok, parsed.ok ? '' : JSON.stringify(parsed.problems));
    const { declaration } = parsed;
    assert.equal(declaration.holding, holding);
    assert.ok(fitsSchema(contentOf(holding)), JSON.stringify(fitsSchema.errors));
    assert.deepEqual(readDocument(writeDocument(declaration), 'declaration'), declaration);
    assert.deepEqual(declaration.recipients, ['demo-police', 'demo-investigation', 'demo-health']);
    for (const { title } of [declaration, ...declaration.fields])
      assert.match(title.ur, /\p{Script=Arabic}/u);
  });
}

test('the groups of a declaration come in the order in which they first appear', () => {
  const parsed = parseDeclarationFile(readShipped('sim-registrations'));
  assert.ok(parsed.ok);
  assert.deepEqual(groupNames(parsed.declaration), ['identity', 'address', 'number', 'status']);
});

test('members with a default are written out', () => {
  const declaration = sample();
  for (const member of ['type', 'recordKey', 'eventDate']) delete declaration[member];
  delete declaration.fields[1]!.identifier;
  const parsed = parseDeclaration(declaration);
  assert.ok(parsed.ok);
  assert.deepEqual(
    [parsed.declaration.type, parsed.declaration.recordKey, parsed.declaration.eventDate],
    ['declaration', [], null],
  );
  assert.equal(parsed.declaration.fields[1]!.identifier, null);
});

test('a file that is not YAML is refused by its line', () => {
  const parsed = parseDeclarationFile(Buffer.from('holding: x\ncontroller: &c {}\n'));
  assert.ok(!parsed.ok);
  assert.equal(parsed.problems[0]?.path, 'line 2');
});

test('the schema and the data file name the same terms', () => {
  for (const kind of ['purpose', 'legalBasis', 'category'] satisfies TermKind[]) {
    assert.deepEqual(
      schema.$defs[kind].enum,
      listTerms(kind).map(({ iri }) => iri),
    );
  }
});

test('any JSON gives a declaration or problems, and never more than the schema allows', () => {
  const members = Object.keys(schema.properties);
  const odd = fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.constantFrom('cnic', 1, [], {}, null));
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...members, 'x'), odd), (changes) => {
      const value = { ...sample(), ...changes };
      const parsed = parseDeclaration(value);
      if (parsed.ok) assert.ok(fitsSchema(value), JSON.stringify(fitsSchema.errors));
      else assert.ok(parsed.problems.length > 0 && parsed.problems.length <= 50);
    }),
    { numRuns: 300 },
  );
});
