// Package template reads a SAM template for what can run on a laptop: functions, the routes of an HTTP API and of
// a WebSocket API, queues and what they feed, schedules and tables. It evaluates the intrinsic functions that it
// meets on the way (Ref, Sub, GetAtt, Join, Select, Split, If and conditions) with the names that local resources
// have. It does not look at what no field of a [Template] needs, for instance a role's policies.
//
// An error names the file, the line and the resource. What a template asks for and this package does not know is a
// note.
//
// [Read] does it all; [Open] and [Parse] are for templates that are read more than once, with other parameters. Of the
// resources it reads AWS::Serverless::Function, HttpApi and WebSocketApi, what SAM makes of these (AWS::Lambda,
// AWS::ApiGatewayV2), AWS::SQS::Queue, AWS::DynamoDB::Table and AWS::Lambda::EventSourceMapping. What of it is
// emulated is said in docs/emulation.md; what the properties mean, here:
//
//   - https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-specification.html
//   - https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html
package template
