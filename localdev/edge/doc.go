// Package edge is CloudFront on a laptop: a distribution in front of custom origins, with a function at
// viewer-request that runs as it is deployed (runtime cloudfront-js-2.0). It knows nothing of Nonstick.
//
// A request is sent once, nothing is cached, and everything of it but Host goes to the origin, as with the managed
// policies CachingDisabled and AllViewerExceptHostHeader. WebSockets pass. docs/emulation.md says what of CloudFront is
// emulated, and what is not. What it means:
//
//   - https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/functions-event-structure.html
//   - https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/helper-functions-origin-modification.html
//   - https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/edge-function-restrictions-all.html
package edge
