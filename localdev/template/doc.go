// Package template reads a SAM template for what can run on a laptop: functions, the routes of an HTTP API and of
// a WebSocket API, queues and what they feed, schedules and tables. It evaluates the intrinsic functions that it
// meets on the way (Ref, Sub, GetAtt, Join, Select, Split, If and conditions) with the names that local resources
// have. It does not look at what no field of a [Template] needs.
//
// Roles are read for what their policies allow functions, and API Gateway: inline policies and managed ones of the
// template, and the property Policies of functions, as far as statements are written out. What AWS would refuse to
// create for want of a right is an error. What cannot be told, for instance the text of a managed policy, allows
// everything, and is a note.
//
// An error names the file, the line and the resource. What a template asks for and this package does not know is a
// note.
//
// [Read] does it all; [Open] and [Parse] are for templates that are read more than once, with other parameters. Of the
// resources it reads AWS::Serverless::Function, HttpApi and WebSocketApi, what SAM makes of these (AWS::Lambda,
// AWS::ApiGatewayV2), AWS::SQS::Queue, AWS::DynamoDB::Table, AWS::Lambda::EventSourceMapping and Permission, and
// AWS::IAM::Role and policies. What of it is emulated is said in docs/emulation.md; what the properties mean, here:
//
//   - https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-specification.html
//   - https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html
package template
