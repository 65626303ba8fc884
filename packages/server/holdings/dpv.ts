import { readFileSync } from 'node:fs';

/** What a term can be used for in a declaration or an entry. */
export type TermKind = 'purpose' | 'legalBasis' | 'category' | 'operation';

/** The languages of the pages. */
export type Language = 'en' | 'ur';

/** One term of the Data Privacy Vocabulary, or of our own under `amanat:`. */
export interface Term {
  readonly iri: string;
  readonly kind: TermKind;
  readonly en: string;
  readonly ur: string;
}

// A data file of ours beside the code: its form is checked by a test, not at each start.
const file: { readonly terms: readonly Term[] } = JSON.parse(
  readFileSync(new URL('./dpv.json', import.meta.url), 'utf8'),
);
const byIri: ReadonlyMap<string, Term> = new Map(file.terms.map((term) => [term.iri, term]));

/** All terms that declarations may use, in the data file's order. */
export function listTerms(kind?: TermKind): readonly Term[] {
  return kind === undefined ? file.terms : file.terms.filter((term) => term.kind === kind);
}

/** Whether `iri` is a term known to us and of that kind. */
export function isTerm(iri: string, kind: TermKind): boolean {
  return byIri.get(iri)?.kind === kind;
}

/** A term's name for people to read; an unknown IRI comes back as it is. */
export function label(iri: string, language: Language): string {
  return byIri.get(iri)?.[language] ?? iri;
}
