// Command go is a Lambda function that emits to the clients of a Nonstick stack by itself: it finds them in the stack's
// table and pushes to them. It is invoked with {"text": "..."}.
package main

import (
	"context"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/nonstick-io/nonstick/adapter/emitter"
	"github.com/nonstick-io/nonstick/gateway/management"
	"github.com/nonstick-io/nonstick/sessionstore/dynamostore"
)

// request is what the function is invoked with.
type request struct {
	Text string `json:"text"`
}

// message is a line of the chat.
type message struct {
	Room string `json:"room"`
	ID   string `json:"id"`
	From string `json:"from"`
	Name string `json:"name"`
	Text string `json:"text"`
	At   int64  `json:"at"`
}

func main() {
	emitter := newEmitter()
	lambda.Start(func(ctx context.Context, in request) error {
		return emitter.To("lobby").Emit(
			ctx, "message", message{Room: "lobby", ID: "go-1", From: "go", Name: "Go", Text: in.Text},
		)
	})
}

// newEmitter is made once, when the function starts. The credentials are those of the function's role.
func newEmitter() *emitter.Emitter {
	region := os.Getenv("AWS_REGION")
	keys := dynamostore.Credentials{
		AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY"),
		SessionToken: os.Getenv("AWS_SESSION_TOKEN"),
	}
	client := dynamostore.NewClient(dynamostore.ClientOptions{
		Region: region, Credentials: keys,
		Endpoint: os.Getenv("AWS_ENDPOINT_URL_DYNAMODB"), // empty on AWS
	})
	store := dynamostore.New(client, dynamostore.Options{Table: os.Getenv("NONSTICK_TABLE")})
	pusher := management.New(management.Options{
		Region: region,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{
				AccessKeyID: keys.AccessKeyID, SecretAccessKey: keys.SecretAccessKey, SessionToken: keys.SessionToken,
			}, nil
		}),
	})
	return emitter.New(store, pusher, emitter.Options{})
}
