// Package rights says what a role may do on AWS: it evaluates the statements of IAM policies as the service does.
//
// An action is refused unless a statement allows it, and a statement that denies it wins over all that allow it. Names
// of actions are compared without case, ARNs with it; * and ? are wildcards in both. [Rights.Check] returns what AWS's
// services say to a caller whom they refuse; [Callers] finds out whose rights a signed request has, by its session
// token, and stands before DynamoDB Local, which takes every call.
//
// There are no conditions, and there is nothing of the policies that bound a role from outside: permissions boundaries,
// sessions, organizations. Policies of resources are for the program that makes the Rights to add, since within an
// account it is enough that one of both allows a call. Package template makes Rights of the roles in a template, and
// docs/emulation.md says what of them counts.
//
// How IAM evaluates:
//
//   - https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
//   - https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_action.html
//   - https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
//   - https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
package rights
