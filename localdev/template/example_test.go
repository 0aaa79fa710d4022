package template_test

import (
	"fmt"

	"github.com/nonstick-io/nonstick/localdev/template"
)

// A template is read with parameters and with the addresses of this machine; what is wrong in it has a line.
func Example() {
	file, err := template.Parse("template.yaml", "/src", []byte(`
Transform: AWS::Serverless-2016-10-31
Parameters:
  Size: {Type: Number, Default: 128}
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: hello
      Handler: bootstrap
      Runtime: provided.al2023
      MemorySize: !Ref Size
      Environment: {Variables: {QUEUE_URL: !Ref Work}}
      Events:
        Greet: {Type: HttpApi, Properties: {Method: GET, Path: '/hello/{name}'}}
        Work: {Type: SQS, Properties: {Queue: !GetAtt Work.Arn, BatchSize: 5}}
  Work:
    Type: AWS::SQS::Queue
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	t, err := file.Read(template.Options{
		Parameters: map[string]string{"Size": "256"}, BaseURL: "http://127.0.0.1:8080",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	f := t.Functions[0]
	fmt.Println(f.Name, f.Source, f.Memory, f.Timeout, f.Environment["QUEUE_URL"])
	fmt.Println(t.HTTP[0].Key, t.HTTP[0].Function)
	fmt.Println(t.Mappings[0].Queue, t.Mappings[0].Function, t.Mappings[0].Batch)

	_, err = file.Read(template.Options{Parameters: map[string]string{"Size": "12"}})
	fmt.Println(err)
	// Output:
	// Hello /src/hello 256 3s http://127.0.0.1:8080/000000000000/Work
	// GET /hello/{name} Hello
	// Work Hello 5
	// template.yaml:12: Hello: MemorySize is "12", and must be 128 to 10240
}
