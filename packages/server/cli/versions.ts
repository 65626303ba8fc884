import type { Api } from './client.ts';
import { CliError } from './errors.ts';

/** A document whose versions follow one another. */
export type Versioned =
  | { readonly kind: 'certificate' | 'agency' | 'declaration'; readonly id: string }
  | { readonly kind: 'grants' | 'witnesses' | 'seal-rules' };

/** The version that the next document of this kind and name must have, by the gateway's answer. */
export async function nextVersion(api: Api, versioned: Versioned): Promise<number> {
  const found = await latest(api, versioned);
  return (found ?? 0) + 1;
}

async function latest(api: Api, versioned: Versioned): Promise<number | null> {
  try {
    const answer = await api.get<{ readonly latestVersion: number }>(pathOf(versioned));
    return answer.latestVersion;
  } catch (error) {
    if (error instanceof CliError && error.reason === 'not-found') return null;
    throw error;
  }
}

function pathOf(versioned: Versioned): string {
  switch (versioned.kind) {
    case 'certificate':
      return `/v1/keys/${versioned.id}`;
    case 'agency':
      return `/v1/agencies/${versioned.id}`;
    case 'declaration':
      return `/v1/holdings/${versioned.id}`;
    case 'grants':
      return '/v1/grants';
    case 'witnesses':
      return '/v1/witnesses';
    case 'seal-rules':
      return '/v1/seals';
  }
}
