/** `--istio-routes`: how routes are written for sidecars that an istiod serves. */
import type { IstioDelivery } from '@aeraki/control-plane'
import type { Arguments, Options } from './command.ts'

export const istioRoutesOption: Options = {
  'istio-routes': {
    type: 'string',
    value: 'HOW',
    choices: ['inline', 'extension-config'],
    default: 'inline',
    help: "how routes come to Istio's sidecars (docs/envoy.md)",
  },
}

export function readIstioRoutes(args: Arguments): IstioDelivery {
  return { kind: args.text('istio-routes') === 'extension-config' ? 'extension-config' : 'inline' }
}
