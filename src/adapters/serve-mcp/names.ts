/**
 * Names of tools. Each is made from the name of a capability in such a way that it can be read back, so no two
 * capabilities share one.
 *
 * - `plain`: a dot becomes `__`, because many models take only `[a-zA-Z0-9_-]`. An underscore of the capability that
 *   stands beside a dot or another underscore becomes `U`; capabilities have no capitals, so `__` is always a dot.
 * - `dots`: the capability as it is, which MCP allows.
 */
import { limits } from '../../wire/limits.js';
import { isCapability, type Capability } from '../../wire/names.js';

/** How capabilities are spelled as tools. */
export type NameStyle = 'plain' | 'dots';

/** The tool of a capability, or nothing when its name would be longer than MCP allows. */
export function toolNamed(capability: string, style: NameStyle): string | undefined {
  const name = style === 'dots' ? capability : plain(capability);
  return name.length > limits.mcpNameChars ? undefined : name;
}

/** The capability of a tool, or nothing when no capability has such a tool. In `plain` the dotted name is understood too. */
export function capabilityNamed(tool: string, style: NameStyle): Capability | undefined {
  if (style === 'dots' || tool.includes('.')) {
    return isCapability(tool) ? tool : undefined;
  }
  const capability = tool.replaceAll('__', '.').replaceAll('U', '_');
  return isCapability(capability) && plain(capability) === tool ? capability : undefined;
}

function plain(capability: string): string {
  return capability.replace(/_(?=[._])|(?<=[._])_/g, 'U').replaceAll('.', '__');
}
