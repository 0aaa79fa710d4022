//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/nonstick-io/nonstick/localdev/template"
	"github.com/nonstick-io/nonstick/sessionstore/dynamostore"
)

// dynamoDBTime is how long the start of DynamoDB Local may take, a first fetch included.
const dynamoDBTime = 3 * time.Minute

// dynamoDB is a DynamoDB Local that ends with this process, however that ends.
type dynamoDB struct {
	url   string
	cmd   *exec.Cmd
	input io.Closer
	said  *lastWords
	ended chan struct{} // closed when the process has
}

var errEnded = errors.New("it ended at once")

// startDynamoDB runs scripts/dynamodb-local, as found above the template or above the working directory.
func startDynamoDB(ctx context.Context, near string) (*dynamoDB, error) {
	script, err := findScript(filepath.Dir(near), ".")
	if err != nil {
		return nil, err
	}
	port, err := lowPort()
	if err != nil {
		return nil, err
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	d := &dynamoDB{url: "http://" + address, said: &lastWords{}, ended: make(chan struct{})}
	d.cmd = exec.Command(script, "run", "--until-eof", "--shared", "--port", strconv.Itoa(port))
	d.cmd.Stdout, d.cmd.Stderr = d.said, d.said
	apart(d.cmd) // an interrupt from the keyboard is for us, and it is needed until the functions have ended
	if d.input, err = d.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(d.ended)
		_ = d.cmd.Wait() // it is ended by the end of its input, which is no success to the shell
	}()
	if err := d.wait(ctx, address); err != nil {
		return nil, errors.Join(err, d.stop())
	}
	return d, nil
}

// wait returns when it takes connections.
func (d *dynamoDB) wait(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, dynamoDBTime)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if c, err := net.DialTimeout("tcp", address, time.Second); err == nil {
			return c.Close()
		}
		select {
		case <-d.ended:
			return fmt.Errorf("%w: %s", errEnded, d.said)
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w: %s", ctx.Err(), d.said)
		case <-tick.C:
		}
	}
}

// stop ends it by the end of its input.
func (d *dynamoDB) stop() error {
	err := d.input.Close()
	<-d.ended
	return err
}

// lastWords keeps the end of what a process says.
type lastWords struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements [io.Writer].
func (l *lastWords) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.b.Len() > 64<<10 {
		l.b.Reset()
	}
	return l.b.Write(p)
}

// String returns it.
func (l *lastWords) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.TrimSpace(l.b.String())
}

// findScript looks for scripts/dynamodb-local in the folders and those above them.
func findScript(dirs ...string) (string, error) {
	for _, dir := range dirs {
		dir, err := filepath.Abs(dir)
		for err == nil {
			path := filepath.Join(dir, "scripts", "dynamodb-local")
			if _, err := os.Stat(path); err == nil {
				return path, nil
			}
			parent := filepath.Dir(dir)
			if parent == dir {
				break
			}
			dir = parent
		}
	}
	return "", fmt.Errorf("find scripts/dynamodb-local: %w (or say --dynamodb-endpoint)", os.ErrNotExist)
}

// lowPort finds a free port below those that the system deals out by itself.
func lowPort() (int, error) {
	var last error
	for range 50 {
		port := 20_000 + rand.IntN(12_000)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			last = err
			continue
		}
		return port, l.Close()
	}
	return 0, fmt.Errorf("find a free port: %w", last)
}

// createTable makes a table as the template describes it. One that is there already is as good.
func createTable(ctx context.Context, endpoint string, t template.Table) error {
	ctx, cancel := context.WithTimeout(ctx, tableTime)
	defer cancel()
	client := dynamostore.NewClient(dynamostore.ClientOptions{
		Region: localRegion, Endpoint: endpoint, Credentials: dynamostore.Credentials{AccessKeyID: localKey, SecretAccessKey: localKey},
	})
	in := &dynamodb.CreateTableInput{TableName: &t.Name, BillingMode: types.BillingModePayPerRequest}
	for i, key := range []template.Attribute{t.Hash, t.Range} {
		if key.Name == "" {
			continue
		}
		kind := []types.KeyType{types.KeyTypeHash, types.KeyTypeRange}[i]
		in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{AttributeName: &key.Name, AttributeType: types.ScalarAttributeType(key.Type)})
		in.KeySchema = append(in.KeySchema, types.KeySchemaElement{AttributeName: &key.Name, KeyType: kind})
	}
	_, err := client.CreateTable(ctx, in)
	if _, there := errors.AsType[*types.ResourceInUseException](err); there {
		return nil
	}
	if err != nil || t.TTL == "" {
		return err
	}
	_, err = client.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
		TableName: &t.Name, TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: &t.TTL, Enabled: new(true)},
	})
	return err
}
