package mapping_test

import (
	"fmt"

	"github.com/nonstick-io/nonstick/localdev/mapping"
)

// The template of a WebSocket route that sends each frame to a FIFO queue, in the order of its connection.
func Example() {
	t, err := mapping.Parse("Action=SendMessage&MessageGroupId=$util.urlEncode($context.connectionId)" +
		"&MessageBody=$util.urlEncode($input.body)")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(t.Render(mapping.Input{
		Body: "hello & goodbye", Context: map[string]string{"connectionId": "L0SM9cOFvHcCIhw="},
	}))

	_, err = mapping.Parse("$input.json('$.text')")
	fmt.Println(err)
	// Output:
	// Action=SendMessage&MessageGroupId=L0SM9cOFvHcCIhw%3D&MessageBody=hello+%26+goodbye
	// $input: mapping: this is not emulated
}
