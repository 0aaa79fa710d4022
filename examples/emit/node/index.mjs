// A Lambda function in Node.js that emits to the clients of a Nonstick stack. Lambda brings the SDK along.
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';

const lambda = new LambdaClient({});

/** Invokes the stack's emit function and returns its answer. */
export async function emit(request) {
  const { Payload, FunctionError } = await lambda.send(new InvokeCommand({
    FunctionName: process.env.NONSTICK_EMIT_FUNCTION,
    Payload: JSON.stringify(request),
  }));
  const answer = JSON.parse(Buffer.from(Payload).toString());
  if (FunctionError || !answer.ok) throw new Error(`emit: ${JSON.stringify(answer)}`);
  return answer;
}

export async function handler({ text }) {
  return emit({
    rooms: ['lobby'],
    event: 'message',
    args: [{ room: 'lobby', id: 'node-1', from: 'node', name: 'Node.js', text, at: 0 }],
  });
}
