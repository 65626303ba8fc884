import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isTerm, label, listTerms } from './dpv.ts';

test('a term of another kind, or of none, is not a term', () => {
  assert.equal(isTerm('https://w3id.org/dpv/pd#Name', 'purpose'), false);
  assert.equal(isTerm('https://w3id.org/dpv#Curiosity', 'purpose'), false);
  assert.equal(isTerm('amanat:Anything', 'category'), false);
  assert.equal(isTerm('', 'category'), false);
});

test('an unknown term is labelled by itself', () => {
  assert.equal(label('https://example.org/x', 'ur'), 'https://example.org/x');
});

test('every term is listed once with a label in each language', () => {
  const terms = listTerms();
  assert.equal(new Set(terms.map(({ iri }) => iri)).size, terms.length);
  for (const { iri, kind, en, ur } of terms) {
    assert.match(iri, /^(https:\/\/w3id\.org\/dpv[a-z/]*#[A-Za-z0-9-]+|amanat:[A-Za-z]+)$/);
    assert.ok(['purpose', 'legalBasis', 'category', 'operation'].includes(kind));
    assert.match(en, /^[ -~]+$/);
    assert.match(ur, /\p{Script=Arabic}/u);
  }
  assert.equal(
    label('https://w3id.org/dpv/sector/law#CrimeInvestigation', 'en'),
    'Crime Investigation',
  );
});

// Verified apart from the sample of the vocabulary, in the vocabulary's own table of PD terms.
const beyondSample = ['Name', 'PhysicalAddress', 'BirthDate', 'Nationality', 'DeviceBased'];
const sampleFile = join(process.env.AMANAT_VECTORS ?? '../shared/vectors', 'dpv-terms.json');

test('labels and IRIs are those of the vocabulary', {
  skip: existsSync(sampleFile) ? false : 'the sample of the vocabulary is not here',
}, () => {
  const sample: { terms: Record<string, Record<string, { iri: string; label: string }>> } =
    JSON.parse(readFileSync(sampleFile, 'utf8'));
  const labels = new Map<string, string>();
  for (const group of Object.values(sample.terms)) {
    for (const term of Object.values(group)) labels.set(term.iri, term.label);
  }
  for (const { iri, en } of listTerms()) {
    const ours = iri.startsWith('amanat:') || beyondSample.includes(iri.split('#')[1] ?? '');
    if (!ours) assert.equal(labels.get(iri), en);
  }
});
