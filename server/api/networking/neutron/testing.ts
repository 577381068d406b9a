/** The networking API in tests: requests as somebody, and things to ask about. */
import type { Answer, Persona, TestApi } from '../../testing.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

export interface Neutron {
  as(who: Persona | null, method: Method, path: string, body?: unknown): Promise<Answer>
  /** Makes a network of a project, or of the operator; answers it. */
  network(who: Persona, fields?: Record<string, unknown>): Promise<Record<string, unknown> & { id: string }>
  port(
    who: Persona,
    networkId: string,
    fields?: Record<string, unknown>,
  ): Promise<Record<string, unknown> & { id: string }>
  share(who: Persona, networkId: string, target: string): Promise<string>
}

export function neutronOf(api: TestApi): Neutron {
  const as: Neutron['as'] = (who, method, path, body) =>
    api.as(who, method, `/networking/v2.0${path}`, body, null)
  const make = async (who: Persona, path: string, name: string, fields: object) => {
    const answer = await as(who, 'POST', path, { [name]: fields })
    if (answer.status !== 201) throw new Error(`${path}: ${answer.status} ${answer.text}`)
    return answer.body[name]
  }
  return {
    as,
    network: (who, fields = {}) => make(who, '/networks', 'network', fields),
    port: (who, networkId, fields = {}) => make(who, '/ports', 'port', { network_id: networkId, ...fields }),
    share: async (who, networkId, target) =>
      (
        await make(who, '/rbac-policies', 'rbac_policy', {
          object_type: 'network',
          object_id: networkId,
          action: 'access_as_shared',
          target_tenant: target,
        })
      ).id,
  }
}

/** What an error of the networking API says. */
export const errorOf = (answer: Answer): [number, string, string] => [
  answer.status,
  answer.body.NeutronError?.type,
  answer.body.NeutronError?.message,
]
