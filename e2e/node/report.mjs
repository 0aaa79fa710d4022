// Reports each test as one line of JSON, for the Go test that started Node.

/** Yields {"name", "status", "ms", "error"} for each test, and for each group that broke by itself. */
export default async function* report(source) {
  const path = [];
  for await (const { type, data } of source) {
    if (type === 'test:start') {
      path.length = data.nesting;
      path.push(data.name);
    } else if (type === 'test:pass' || type === 'test:fail') {
      const line = judge(type, data, path.slice(0, data.nesting));
      if (line) yield `${JSON.stringify(line)}\n`;
    }
  }
}

function judge(type, data, groups) {
  const { details } = data;
  const cause = details.error?.cause;
  const isGroup = details.type === 'suite';
  if (isGroup && (type === 'test:pass' || details.error?.failureType === 'subtestsFailed')) return null;
  return {
    name: [...groups, data.name].join('/'),
    status: status(type, data),
    ms: Math.round(details.duration_ms),
    error: type === 'test:fail' ? String(cause?.stack ?? cause ?? details.error) : undefined,
  };
}

function status(type, data) {
  if (data.skip !== undefined) return 'skip';
  if (data.todo !== undefined) return 'todo';
  return type === 'test:pass' ? 'pass' : 'fail';
}
